"""An attempt that ends in the middle, whatever ended it, is gone on from its last checkpoint; and
what was measured goes on without gap or overlap."""

from typing import Any

import httpx
import pytest

from tests.functional.test_journey import is_registered
from tests.functional.user import User
from tests.functional.world import World

pytestmark = pytest.mark.timeout(600)

EPOCHS = 6
LEARNING = {"epochs": EPOCHS, "epoch_seconds": 2.0, "checkpoint_every": 1}


def submit(user: User, **changes: Any) -> str:
    return user.submit(hyperparameters=LEARNING | changes)["id"]


def checkpoints(user: User, job_id: str) -> list[dict[str, Any]]:
    return user.pages(f"/training/jobs/{job_id}/checkpoints", "checkpoints")


def until_saved(user: User, job_id: str, epoch: int) -> None:
    def is_saved(_: dict[str, Any]) -> bool:
        return epoch in [saved["epoch"] for saved in checkpoints(user, job_id)]

    user.wait(job_id, is_saved, seconds=180)


def has_two_epochs(job: dict[str, Any]) -> bool:
    return ((job["reported"] or {}).get("epoch") or 0) >= 2


def losses(user: User, job_id: str, query: str = "") -> list[tuple[int, int]]:
    points = user.pages(f"/training/jobs/{job_id}/points{query}", "points")
    return [(p["attempt"], p["step"]) for p in points if p["name"] == "loss"]


def check_thread(user: User, job_id: str) -> int:
    """Every epoch once, in order; the epoch that the second attempt went on from."""
    told = losses(user, job_id)
    assert [step for _, step in told] == list(range(1, EPOCHS + 1))
    assert [attempt for attempt, _ in told] == sorted(attempt for attempt, _ in told)
    drawn = user.data("GET", f"/training/jobs/{job_id}/points?resolution=100")["points"]
    assert [(p["attempt"], p["step"]) for p in drawn if p["name"] == "loss"] == told
    _, second = user.pages(f"/training/jobs/{job_id}/attempts", "attempts")
    resumed = second["resumedFrom"]
    assert resumed["attempt"] == 1
    assert next(step for attempt, step in told if attempt == 2) == resumed["epoch"] + 1
    return resumed["epoch"]


def end(user: User, job_id: str) -> dict[str, Any]:
    job = user.wait(job_id, is_registered, seconds=180)
    assert (job["status"], job["attempt"]) == ("succeeded", 2)
    return job


class TestKill:
    def test_goes_on_from_epoch_three_of_six_and_the_first_attempt_is_dumb(
        self, user: User, world: World
    ) -> None:
        job_id = submit(user)
        until_saved(user, job_id, 3)
        first = next(e for e in world.environments(job_id) if e.get("CALLBACK_TOKEN"))

        world.kill_trainers(job_id)
        end(user, job_id)

        saved = [c for c in checkpoints(user, job_id) if c["attempt"] == 1]
        assert check_thread(user, job_id) == saved[-1]["epoch"]
        assert [step for _, step in losses(user, job_id, "?attempt=2")][-1] == EPOCHS
        assert {(1, step) for step in range(1, 4)} <= set(losses(user, job_id, "?attempt=all"))
        answer = httpx.post(
            first["HEARTBEAT_URL"],
            json={"sequence": 9999, "epoch": 1, "points": [{"name": "loss", "value": 1.0}]},
            headers={"authorization": f"Bearer {first['CALLBACK_TOKEN']}"},
        )
        assert (answer.status_code, answer.json()["data"]["code"]) == (409, "STALE_ATTEMPT")


class TestPreemption:
    def test_saves_within_its_grace_and_goes_on_from_there(self, user: User, world: World) -> None:
        job_id = submit(user, checkpoint_every=100, epoch_seconds=3.0)
        user.wait(job_id, has_two_epochs, seconds=180)

        world.preempt(job_id)
        job = end(user, job_id)

        assert check_thread(user, job_id) >= 2
        first, _ = user.pages(f"/training/jobs/{job_id}/attempts", "attempts")
        assert (first["outcome"], first["errorClass"]) == ("failed", "transient")
        assert job["retryCount"] == 0


class TestNodeLoss:
    def test_goes_on_elsewhere(self, user: User, world: World) -> None:
        job_id = submit(user)
        until_saved(user, job_id, 2)

        world.lose_node(job_id)
        job = end(user, job_id)

        assert check_thread(user, job_id) >= 2
        first, _ = user.pages(f"/training/jobs/{job_id}/attempts", "attempts")
        assert first["rule"] == "node-lost"
        assert job["retryCount"] == 0


class TestKeys:
    def test_of_the_store_are_not_in_a_trainers_environment(self, user: User, world: World) -> None:
        job_id = submit(user, epoch_seconds=5.0)
        until_saved(user, job_id, 1)
        environments = world.environments(job_id)
        user.data("DELETE", f"/training/jobs/{job_id}")

        assert environments
        for environment in environments:
            held = {name for name in environment if name.startswith(("AWS_", "S3_", "MINIO_"))}
            assert not held
            assert not [n for n, v in environment.items() if world.store_key() in v]
