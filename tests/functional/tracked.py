"""A stack with the real MLflow server beside it, and what that server's own API shows."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import psutil
import pytest

from tests.functional.stack import Up
from tests.functional.user import User
from tests.mlflow_server import MlflowApi


@pytest.fixture
def tracked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    stack = Up(tmp_path_factory.mktemp("home"), options=["--mlflow"])
    stack.start(seconds=240)
    yield stack
    stack.end()


class Server(MlflowApi):
    """The one beside a stack."""

    def __init__(self, up: Up) -> None:
        self._up = up
        self.url = json.loads((up.home / "client.json").read_text())["mlflow"]

    def answers(self) -> bool:
        try:
            self.call("GET", "experiments/get", experiment_id="0")
        except httpx.HTTPError:
            return False
        return True

    def knows(self, job_id: str) -> bool:
        """Whether the job has a run there."""
        try:
            return bool(self.runs(job_id))
        except httpx.HTTPStatusError as refused:
            if refused.response.status_code != 404:
                raise
            return False

    def process(self) -> psutil.Process:
        (found,) = [
            child
            for child in psutil.Process(self._up.pid).children()
            if "mlflow.server.fastapi_app:app" in child.cmdline()
        ]
        return found

    def course(self, run_id: str, metric: str) -> list[tuple[int, float]]:
        return [(step, value) for step, value, _ in self.history(run_id, metric)]

    def statuses(self, job_id: str) -> set[str]:
        return {run["info"]["status"] for run in self.runs(job_id)}

    def files(self, run_id: str, folder: str = "") -> list[str]:
        """Every artifact of a run, in every folder."""
        found = self.call("GET", "artifacts/list", run_id=run_id, path=folder).get("files", [])
        below = [
            self.files(run_id, each["path"]) if each["is_dir"] else [each["path"]] for each in found
        ]
        return [path for paths in below for path in paths]

    def versions(self, name: str) -> list[dict[str, Any]]:
        wanted = f"name = '{name}'"
        found = self.call("GET", "model-versions/search", filter=wanted)
        return found.get("model_versions", [])


def waiting(condition: Callable[[], bool], *, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.5)


def points_of(user: User, job_id: str, name: str) -> list[tuple[int, float]]:
    points = user.pages(f"/training/jobs/{job_id}/points", "points")
    return [(p["step"], p["value"]) for p in points if p["name"] == name]


def check_that_it_has_all(
    server: Server, user: User, job: dict[str, Any], metric: str, file: str
) -> None:
    """Every point of a metric in order, a file, and the registered model: of the runs that the
    program made, one of which has the metric."""
    waiting(lambda: server.statuses(job["id"]) == {"FINISHED"}, seconds=240)
    runs = [run["info"]["run_id"] for run in server.runs(job["id"])]
    told = points_of(user, job["id"], metric)
    assert told
    assert [found for run in runs if (found := server.course(run, metric))] == [told]
    assert any(path.endswith(file) for run in runs for path in server.files(run))
    address = f"/catalog/models/{job['outputModelEntryId']}"
    waiting(lambda: user.data("GET", address)["targets"][1]["status"] == "registered", seconds=180)
    (version,) = server.versions(user.data("GET", address)["name"])
    assert version["run_id"] in runs
