"""Postgres, S3 and the whole stack are killed in the middle of training. Every job goes through."""

from collections.abc import Callable, Iterator

import pytest

from tests.functional.stack import Up
from tests.functional.test_journey import REGISTERED, has_learnt, is_registered
from tests.functional.user import User
from tests.processes import free_port

pytestmark = pytest.mark.timeout(300)
EPOCHS = 12


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    stack = Up(tmp_path_factory.mktemp("home"), port=free_port())
    stack.start()
    yield stack
    stack.end()


def kill_postgres(up: Up) -> None:
    up.kill_part("postgres -D")


def kill_s3(up: Up) -> None:
    up.kill_part("rclone")


def kill_functions(up: Up) -> None:
    up.kill_part("common.serve")


def kill_everything(up: Up) -> None:
    up.kill()
    up.start()


@pytest.mark.parametrize("kill", [kill_postgres, kill_s3, kill_functions, kill_everything])
def test_loses_nothing_and_does_nothing_twice(up: Up, kill: Callable[[Up], None]) -> None:
    learning = {"epochs": EPOCHS, "epoch_seconds": 0.5, "checkpoint_every": 2}
    before = User.of_home(up.home)
    jobs = [before.submit(hyperparameters=learning)["id"] for _ in range(2)]
    for job_id in jobs:
        before.wait(job_id, has_learnt)
    acknowledged = {job_id: points_of(before, job_id) for job_id in jobs}
    before.close()

    kill(up)

    after = User.of_home(up.home)
    for job_id in jobs:
        job = after.wait(job_id, is_registered, seconds=120)
        assert (job["status"], job["attempt"]) == ("succeeded", 1)
        assert after.timeline(job_id) == REGISTERED
        points = points_of(after, job_id)
        assert acknowledged[job_id] <= points
        assert {step for name, step in points if name == "loss"} == set(range(1, EPOCHS + 1))
        assert len(models_of(after, job_id)) == 1
    after.close()


def points_of(user: User, job_id: str) -> set[tuple[str, int]]:
    points = user.pages(f"/training/jobs/{job_id}/points", "points")
    return {(point["name"], point["step"]) for point in points}


def models_of(user: User, job_id: str) -> list[str]:
    job = user.job(job_id)
    models = user.data("GET", "/catalog/models")
    return [model["id"] for model in models if model["id"] == job["outputModelEntryId"]]
