"""The whole control plane is away for a while in the middle of training. Nobody in the training
notices: every figure is there afterwards, in order, and the job succeeds at its first attempt."""

import contextlib
import time
from collections.abc import Iterator

import psutil
import pytest

from tests.functional.stack import Up
from tests.functional.test_journey import REGISTERED, has_learnt, is_registered
from tests.functional.user import User
from tests.processes import free_port

pytestmark = pytest.mark.timeout(600)
EPOCHS = 32
AWAY = 6.0


@pytest.fixture
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    stack = Up(tmp_path_factory.mktemp("home"), port=free_port())
    stack.start()
    yield stack
    stack.end()


def test_loses_no_figure(up: Up) -> None:
    learning = {"epochs": EPOCHS, "epoch_seconds": 0.6, "checkpoint_every": 4}
    before = User.of_home(up.home)
    job_id = before.submit(hyperparameters=learning)["id"]
    before.wait(job_id, has_learnt, seconds=180)
    before.close()

    up.kill()
    for part in up.processes():
        with contextlib.suppress(psutil.NoSuchProcess):
            if part.environ().get("JOB_ID") != job_id and "shim" not in " ".join(part.cmdline()):
                part.kill()
    assert up.trainers(job_id), "the trainer went with the control plane"
    time.sleep(AWAY)
    assert up.trainers(job_id), "the trainer did not outlast it"
    up.start()

    after = User.of_home(up.home)
    job = after.wait(job_id, is_registered, seconds=180)
    assert (job["status"], job["attempt"]) == ("succeeded", 1)
    assert after.timeline(job_id) == REGISTERED
    points = after.pages(f"/training/jobs/{job_id}/points", "points")
    assert [p["step"] for p in points if p["name"] == "loss"] == list(range(1, EPOCHS + 1))
    times = [p["time"] for p in points if p["name"] == "loss"]
    assert times == sorted(times)
    saved = after.pages(f"/training/jobs/{job_id}/checkpoints", "checkpoints")
    assert [c["epoch"] for c in saved] == list(range(4, EPOCHS + 1, 4))
    after.close()
