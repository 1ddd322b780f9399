"""A job and the real MLflow beside the stack, which is killed for the middle of it."""

import json
import signal
from pathlib import Path

import pytest

from tests.functional.stack import Up
from tests.functional.tracked import Server, points_of, tracked, waiting
from tests.functional.user import User

__all__ = ["tracked"]

LEARNING = {"epochs": 30, "epoch_seconds": 0.7}

pytestmark = pytest.mark.timeout(900)


def test_mlflow_dies_in_the_middle_of_a_job_and_lacks_nothing_in_the_end(tracked: Up) -> None:
    user, server = User.of_home(tracked.home), Server(tracked)
    waiting(server.answers, seconds=240)
    job_id = user.submit(hyperparameters=LEARNING, outputModelName="tracked")["id"]
    waiting(lambda: server.knows(job_id), seconds=180)

    dead = server.process()
    dead.send_signal(signal.SIGSTOP)
    waiting(lambda: len(points_of(user, job_id, "loss")) >= 15, seconds=180)
    dead.kill()
    job = user.wait(job_id, lambda job: job["outputModelEntryId"] is not None, seconds=240)
    assert job["status"] == "succeeded"
    waiting(server.answers, seconds=240)
    waiting(lambda: server.statuses(job_id) == {"FINISHED"}, seconds=240)

    (run,) = server.runs(job_id)
    told = points_of(user, job_id, "loss")
    assert len(told) == LEARNING["epochs"]
    assert server.course(run["info"]["run_id"], "loss") == told
    entry = f"/catalog/models/{job['outputModelEntryId']}"
    waiting(lambda: user.data("GET", entry)["targets"][1]["status"] == "registered", seconds=180)
    (version,) = server.versions("tracked")
    assert version["run_id"] == run["info"]["run_id"]
    user.close()
    _check_nothing_is_left(tracked)


def _check_nothing_is_left(up: Up) -> None:
    assert up.interrupt() == 0
    assert up.processes() == []


def test_the_stack_says_that_mlflow_is_off(up: Up, user: User) -> None:
    assert json.loads((Path(up.home) / "client.json").read_text())["mlflow"] is None
    health = user.data("GET", "/health/integrations")
    assert health["integrations"]["mlflow"]["status"] == "off"
    findings = user.data("GET", "/admin/doctor")["findings"]
    (finding,) = [each for each in findings if each["check"] == "mlflow"]
    assert "off" in finding["seen"]
