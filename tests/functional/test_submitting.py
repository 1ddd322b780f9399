"""What may be asked for, and how a refusal is told."""

import time
from uuid import uuid4

from tests.functional.user import User
from tests.functional.world import World


class TestSubmitting:
    def test_makes_one_job_for_one_key(self, user: User) -> None:
        headers = {"Idempotency-Key": uuid4().hex}
        body = user.request(hyperparameters={"epochs": 1})
        first = user.data("POST", "/training/jobs", json=body, headers=headers)
        second = user.data("POST", "/training/jobs", json=body, headers=headers)
        other = user.ask("POST", "/training/jobs", json=user.request(), headers=headers)

        assert first["id"] == second["id"]
        assert other.status_code == 409

    def test_names_every_wrong_field_in_one_answer(self, user: User) -> None:
        wrong = user.request(
            jobType="dream",
            useGpu=True,
            resourceProfile={"gpuCount": 0, "gpuType": "imaginary", "maxDuration": 2000},
            labels={"": "x"},
            env={"JOB_ID": "mine"},
        )
        answer = user.ask("POST", "/training/jobs", json=wrong)

        assert answer.status_code == 422
        fields = {error["field"] for error in answer.json()["data"]["errors"]}
        assert {
            "jobType",
            "resourceProfile.gpuCount",
            "resourceProfile.gpuType",
            "resourceProfile.maxDuration",
        } <= fields
        assert any(field.startswith("env") for field in fields)
        assert any(field.startswith("labels") for field in fields)

    def test_creates_nothing_for_a_dry_run(self, user: User) -> None:
        name = f"dry-{uuid4().hex[:8]}"
        answer = user.ask("POST", "/training/jobs?dryRun=true", json=user.request(name=name))

        assert answer.status_code == 200
        assert user.data("GET", f"/training/jobs?q={name}")["jobs"] == []

    def test_sees_a_changed_gpu_list_soon(self, user: User, world: World) -> None:
        path = "/training/gpu-types?env=dev"
        label = user.data("GET", path)["gpuTypes"][0]["label"]
        with world.offering(lambda text: text.replace(label, "A renamed type")):
            deadline = time.monotonic() + 10 * user.patience
            while user.data("GET", path)["gpuTypes"][0]["label"] == label:
                assert time.monotonic() < deadline
                time.sleep(0.2)
