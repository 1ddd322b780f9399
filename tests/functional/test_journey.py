"""From submit to a registered model, and every other way a job can go."""

import re
import time
from typing import Any
from uuid import uuid4

import httpx

from tests.functional.user import User
from tests.functional.world import World

REGISTERED = [
    "job.submitted",
    "job.queued",
    "job.started",
    "job.succeeded",
    "model.registered",
]


def is_registered(job: dict[str, Any]) -> bool:
    return job["outputModelEntryId"] is not None


def has_learnt(job: dict[str, Any]) -> bool:
    return bool((job["reported"] or {}).get("epoch"))


def is_running(job: dict[str, Any]) -> bool:
    return job["status"] == "running"


class TestJourney:
    def test_trains_a_model_and_registers_it(self, user: User) -> None:
        dataset_id = user.dataset()
        submitted = user.submit(datasetId=dataset_id, labels={"team": "blue"})
        assert submitted["status"] == "pending"

        job = user.wait(submitted["id"], is_registered)

        assert job["status"] == "succeeded"
        assert user.timeline(job["id"]) == REGISTERED
        assert job["progress"] == 1
        self._check_metrics(user, job["id"])
        self._check_model(user, job, dataset_id)
        self._check_artifacts(user, job["id"])

    def _check_metrics(self, user: User, job_id: str) -> None:
        points = user.pages(f"/training/jobs/{job_id}/points", "points")
        names = {point["name"] for point in points}
        assert {"loss", "accuracy"} <= names
        recorded = user.data("GET", f"/training/experiments/{job_id}")
        assert recorded["jobId"] == job_id
        assert {"loss", "accuracy"} <= {metric["name"] for metric in recorded["metrics"]}

    def _check_model(self, user: User, job: dict[str, Any], dataset_id: str) -> None:
        entry = user.data("GET", f"/catalog/models/{job['outputModelEntryId']}")
        name = entry["name"]
        assert entry["type"] == "trained"
        assert entry["lineage_dataset_ids"] == [dataset_id]
        assert entry["evaluation_summary"]
        assert re.fullmatch(rf"s3://[^/]+/models/{name}/1/", entry["storage_uri"])
        assert entry["storage_uri"] == job["outputModelStorageUri"]
        listed = user.data("GET", "/catalog/models")
        assert entry["id"] in [model["id"] for model in listed]

    def _check_artifacts(self, user: User, job_id: str) -> None:
        artifacts = user.pages(f"/training/jobs/{job_id}/artifacts", "artifacts")
        model = next(a for a in artifacts if a["name"].endswith("model.joblib"))
        content = httpx.get(model["url"]).content
        assert len(content) == model["size"]

    def test_shows_logs_checkpoints_and_attempts(self, user: User) -> None:
        job_id = user.submit()["id"]
        user.wait(job_id)

        (attempt,) = user.pages(f"/training/jobs/{job_id}/attempts", "attempts")
        assert attempt["outcome"] == "succeeded"
        assert user.pages(f"/training/jobs/{job_id}/logs", "lines")
        checkpoints = user.pages(f"/training/jobs/{job_id}/checkpoints", "checkpoints")
        assert checkpoints
        assert all(f"/jobs/{job_id}/1/" in c["uri"] for c in checkpoints)

    def test_carries_one_trace_from_the_submit_to_the_trainer(
        self, user: User, world: World
    ) -> None:
        trace_id = uuid4().hex
        answer = user.ask(
            "POST",
            "/training/jobs",
            json=user.request(hyperparameters={"epochs": 20, "epoch_seconds": 0.5}),
            headers={"traceparent": f"00-{trace_id}-{uuid4().hex[:16]}-01"},
        )
        job = answer.json()["data"]
        assert job["traceId"] == trace_id
        user.wait(job["id"], is_running)

        environments = world.environments(job["id"])
        assert environments
        assert {environment["TRACE_ID"] for environment in environments} == {trace_id}
        assert all(trace_id in environment["TRACEPARENT"] for environment in environments)
        user.data("DELETE", f"/training/jobs/{job['id']}")

    def test_tries_again_from_the_last_checkpoint_when_the_trainer_is_killed(
        self, user: User, world: World
    ) -> None:
        learning = {"epochs": 14, "epoch_seconds": 0.5, "checkpoint_every": 1}
        job_id = user.submit(hyperparameters=learning)["id"]

        def has_checkpoint(_: dict[str, Any]) -> bool:
            path = f"/training/jobs/{job_id}/checkpoints"
            return len(user.pages(path, "checkpoints")) >= 2

        user.wait(job_id, has_checkpoint)
        world.kill_trainers(job_id)
        job = user.wait(job_id, is_registered, seconds=90)

        assert (job["status"], job["attempt"]) == ("succeeded", 2)
        timeline = user.timeline(job_id)
        assert timeline.count("job.retry_scheduled") == 1
        first, second = user.pages(f"/training/jobs/{job_id}/attempts", "attempts")
        assert (first["outcome"], first["errorClass"]) == ("failed", "transient")
        assert second["outcome"] == "succeeded"
        points = user.pages(f"/training/jobs/{job_id}/points", "points")
        losses = [(p["attempt"], p["step"]) for p in points if p["name"] == "loss"]
        resumed = min(step for attempt, step in losses if attempt == 2)
        assert resumed > 1
        assert {step for _, step in losses} == set(range(1, 15))

    def test_cancels_a_running_job_with_grace(self, user: User, world: World) -> None:
        job_id = user.submit(hyperparameters={"epochs": 200, "epoch_seconds": 0.5})["id"]
        user.wait(job_id, has_learnt)

        asked = user.data("POST", f"/training/jobs/{job_id}/cancel")
        assert (asked["status"], asked["health"]) == ("running", "cancelling")
        job = user.wait(job_id)

        assert (job["status"], job["statusReason"]) == ("cancelled", f"cancelled by {user.name}")
        assert "job.cancel_requested" in user.timeline(job_id)
        assert user.data("DELETE", f"/training/jobs/{job_id}")["status"] == "cancelled"
        deadline = time.monotonic() + 20 * user.patience
        while world.has_trainers(job_id):
            assert time.monotonic() < deadline
            time.sleep(0.2)
        checkpoints = user.pages(f"/training/jobs/{job_id}/checkpoints", "checkpoints")
        assert httpx.get(checkpoints[-1]["url"]).status_code == 200

    def test_resubmits_a_failed_job_as_a_new_one(self, user: User) -> None:
        broken = user.dataset("label\nno numbers here\n")
        failed = user.wait(user.submit(datasetId=broken)["id"])
        assert failed["status"] == "failed"
        assert failed["statusReason"]

        again = user.data(
            "POST",
            f"/training/jobs/{failed['id']}/resubmit",
            json={"resourceProfile": {"cpuCores": 1, "memory": "2Gi", "maxDuration": 5}},
        )

        assert again["id"] != failed["id"]
        assert again["resourceProfile"]["memory"] == "2Gi"
        user.data("DELETE", f"/training/jobs/{again['id']}")
