"""A real MLflow server for a test run: its metadata in Postgres, its artifacts in S3."""

import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx

from common.settings import Storage
from infra.local.mlflow import READY, argv_of, environment_of, find_python
from tests import s3_server
from tests.postgres_server import CLONE, PostgresServer
from tests.processes import free_port

API = "/api/2.0/mlflow/"
# At its first start it makes its tables, on a machine that does much else.
PATIENCE = 240


class MlflowApi:
    """What any client sees of a server. `call` raises httpx.HTTPError."""

    url: str

    def call(self, method: str, path: str, /, **body: Any) -> dict[str, Any]:
        options: dict[str, Any] = {"params": body} if method == "GET" else {"json": body}
        answer = httpx.request(method, f"{self.url}{API}{path}", timeout=60, **options)
        answer.raise_for_status()
        return answer.json()

    def experiment(self, job_id: object) -> str:
        found = self.call("GET", "experiments/get-by-name", experiment_name=f"job-{job_id}")
        return found["experiment"]["experiment_id"]

    def runs(self, job_id: object) -> list[dict[str, Any]]:
        """The runs of a job's experiment, oldest first."""
        body = {"experiment_ids": [self.experiment(job_id)], "order_by": ["start_time ASC"]}
        return self.call("POST", "runs/search", **body, max_results=1000).get("runs", [])

    def history(self, run_id: str, metric: str) -> list[tuple[int, float, int]]:
        """Step, value and time of each point, in the order in which MLflow tells them."""
        found: list[dict[str, Any]] = []
        page: dict[str, Any] = {"run_id": run_id, "metric_key": metric, "max_results": 25_000}
        while True:
            answer = self.call("GET", "metrics/get-history", **page)
            found += answer.get("metrics", [])
            if not answer.get("next_page_token"):
                return [(m.get("step", 0), m["value"], m["timestamp"]) for m in found]
            page["page_token"] = answer["next_page_token"]


class MlflowServer(MlflowApi):
    """Always at the same address."""

    def __init__(self, folder: Path, database_url: str, storage: Storage) -> None:
        self.storage = storage
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self._folder = folder
        self._environ = {
            **environment_of(folder, database_url, storage.bucket),
            "MLFLOW_S3_ENDPOINT_URL": storage.endpoint_url,
            "AWS_ACCESS_KEY_ID": storage.access_key_id,
            "AWS_SECRET_ACCESS_KEY": storage.secret_access_key,
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns when it answers; nothing to do where it runs."""
        if self._process is not None and self._process.poll() is None:
            return
        with (self._folder / "mlflow.log").open("ab") as log:
            self._process = subprocess.Popen(
                argv_of(find_python(CLONE), self._port), env=self._environ, stdout=log, stderr=log
            )
        deadline = time.monotonic() + PATIENCE
        while not self._answers():
            assert self._process.poll() is None, self._said()
            assert time.monotonic() < deadline, self._said()
            time.sleep(0.1)

    def kill(self) -> None:
        """kill -9."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def _answers(self) -> bool:
        with suppress(httpx.TransportError):
            return httpx.get(f"{self.url}{READY}", timeout=60).is_success
        return False

    def _said(self) -> str:
        return (self._folder / "mlflow.log").read_text()[-2000:]


@contextmanager
def serve(folder: Path, postgres: PostgresServer) -> Generator[MlflowServer]:
    """Runs until the block ends."""
    (folder / "s3").mkdir()
    database_url = postgres.create_empty("mlflow")
    with s3_server.serve(folder / "s3") as storage:
        server = MlflowServer(folder, database_url, storage)
        server.start()
        try:
            yield server
        finally:
            server.kill()
