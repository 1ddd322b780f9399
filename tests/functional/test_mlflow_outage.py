"""A job and the real MLflow beside the stack, which is killed for the middle of it."""

import json
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.functional.stack import Up
from tests.functional.user import User

API = "/api/2.0/mlflow/"
LEARNING = {"epochs": 30, "epoch_seconds": 0.7}

pytestmark = pytest.mark.timeout(900)


@pytest.fixture
def tracked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    stack = Up(tmp_path_factory.mktemp("home"), options=["--mlflow"])
    stack.start(seconds=240)
    yield stack
    stack.end()


class Server:
    """MLflow as its own API shows it."""

    def __init__(self, up: Up) -> None:
        self._up = up
        self._url = json.loads((up.home / "client.json").read_text())["mlflow"]

    def call(self, method: str, path: str, **body: Any) -> dict[str, Any]:
        options: dict[str, Any] = {"params": body} if method == "GET" else {"json": body}
        return httpx.request(method, f"{self._url}{API}{path}", timeout=60, **options).json()

    def answers(self) -> bool:
        try:
            return "experiment" in self.call("GET", "experiments/get", experiment_id="0")
        except httpx.TransportError:
            return False

    def process(self) -> psutil.Process:
        (found,) = [
            child
            for child in psutil.Process(self._up.pid).children()
            if "mlflow.server.fastapi_app:app" in child.cmdline()
        ]
        return found

    def runs(self, job_id: str) -> list[dict[str, Any]]:
        found = self.call("GET", "experiments/get-by-name", experiment_name=f"job-{job_id}")
        if "experiment" not in found:
            return []
        experiment = found["experiment"]["experiment_id"]
        return self.call("POST", "runs/search", experiment_ids=[experiment]).get("runs", [])

    def history(self, run_id: str, metric: str) -> list[tuple[int, float]]:
        found = self.call(
            "GET", "metrics/get-history", run_id=run_id, metric_key=metric, max_results=10_000
        )
        return [(each.get("step", 0), each["value"]) for each in found["metrics"]]


def waiting(condition: Callable[[], bool], *, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.5)


def points_of(user: User, job_id: str, name: str) -> list[tuple[int, float]]:
    points = user.pages(f"/training/jobs/{job_id}/points", "points")
    return [(p["step"], p["value"]) for p in points if p["name"] == name]


def test_mlflow_dies_in_the_middle_of_a_job_and_lacks_nothing_in_the_end(tracked: Up) -> None:
    user, server = User.of_home(tracked.home), Server(tracked)
    waiting(server.answers, seconds=240)
    job_id = user.submit(hyperparameters=LEARNING, outputModelName="tracked")["id"]
    waiting(lambda: bool(server.runs(job_id)), seconds=180)

    dead = server.process()
    dead.send_signal(signal.SIGSTOP)
    waiting(lambda: len(points_of(user, job_id, "loss")) >= 15, seconds=180)
    dead.kill()
    job = user.wait(job_id, lambda job: job["outputModelEntryId"] is not None, seconds=240)
    assert job["status"] == "succeeded"
    waiting(server.answers, seconds=240)
    waiting(lambda: _status(server, job_id) == "FINISHED", seconds=240)

    (run,) = server.runs(job_id)
    told = points_of(user, job_id, "loss")
    assert len(told) == LEARNING["epochs"]
    assert server.history(run["info"]["run_id"], "loss") == told
    entry = f"/catalog/models/{job['outputModelEntryId']}"
    waiting(lambda: user.data("GET", entry)["targets"][1]["status"] == "registered", seconds=180)
    found = server.call("GET", "model-versions/search", filter="name = 'tracked'")
    (version,) = found["model_versions"]
    assert version["run_id"] == run["info"]["run_id"]
    user.close()
    _check_nothing_is_left(tracked)


def _status(server: Server, job_id: str) -> str | None:
    runs = server.runs(job_id)
    return runs[0]["info"]["status"] if runs else None


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
