"""A user of a running stack, who knows its address, a token and HTTP."""

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import jwt

SKLEARN = {"framework": "sklearn"}
TERMINAL = {"succeeded", "failed", "cancelled"}
CSV = "x1,x2,label\n" + "".join(f"{n % 7},{n % 5},{int(n % 7 > n % 5)}\n" for n in range(400))


class User:
    """Speaks the contract's words; `data` is what the envelope held."""

    def __init__(
        self,
        address: str,
        token: str,
        project_id: str,
        *,
        trainer: Mapping[str, str] | None = None,
        patience: float = 1,
    ) -> None:
        self.project_id = project_id
        self.patience = patience
        self._trainer = trainer or SKLEARN
        self.name = jwt.decode(token, options={"verify_signature": False})["sub"]
        self.http = httpx.Client(
            base_url=address, headers={"authorization": f"Bearer {token}"}, timeout=30
        )

    @classmethod
    def of_home(cls, home: Path) -> "User":
        """The one whom the stack made at its start."""
        client = json.loads((home / "client.json").read_text())
        return cls(client["address"], client["token"], client["projectId"])

    def close(self) -> None:
        self.http.close()

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        return self.http.request(method, f"/llm-ops/v1{path}", **options)

    def data(self, method: str, path: str, **options: Any) -> Any:
        """What a call that is meant to work is answered with. Asks again while nobody can answer
        just now, as a client does; what creates something comes with a key."""
        deadline = time.monotonic() + 30 * self.patience
        while True:
            answer = self._try(method, path, **options)
            if answer is not None and answer.status_code != 503:
                break
            assert time.monotonic() < deadline, answer and answer.text
            time.sleep(0.2)
        assert answer.status_code == 200, answer.text
        body = answer.json()
        assert set(body) == {"status", "message", "data"}
        assert body["status"] == "success"
        return body["data"]

    def _try(self, method: str, path: str, **options: Any) -> httpx.Response | None:
        try:
            return self.ask(method, path, **options)
        except httpx.TransportError:
            return None

    def submit(self, **changes: Any) -> dict[str, Any]:
        key = {"Idempotency-Key": uuid4().hex}
        return self.data("POST", "/training/jobs", json=self.request(**changes), headers=key)

    def request(self, **changes: Any) -> dict[str, Any]:
        """The body of a small job, for the trainer that is there."""
        return request(**{"trainer": dict(self._trainer), **changes})

    def dead_letters(self) -> list[dict[str, Any]]:
        return self.pages("/admin/dead-letters", "deadLetters")

    def job(self, job_id: str) -> dict[str, Any]:
        return self.data("GET", f"/training/jobs/{job_id}")

    def wait(
        self,
        job_id: str,
        until: Callable[[dict[str, Any]], bool] = lambda job: job["status"] in TERMINAL,
        seconds: float = 60,
    ) -> dict[str, Any]:
        """The job once it is so."""
        deadline = time.monotonic() + seconds * self.patience
        while True:
            job = self.job(job_id)
            if until(job):
                return job
            assert time.monotonic() < deadline, f"still {job}"
            time.sleep(0.2)

    def timeline(self, job_id: str) -> list[str]:
        """State changes by their short names, in order, without a gap."""
        lines = self.pages(f"/training/jobs/{job_id}/timeline", "timeline")
        changes = [line for line in lines if line["type"].startswith(("job.", "model.", "dev."))]
        assert [line["sequence"] for line in changes] == list(range(1, len(changes) + 1))
        return [line["type"].removeprefix("dev.eventrain.").removesuffix(".v1") for line in changes]

    def pages(self, path: str, name: str) -> list[dict[str, Any]]:
        """All of a list, page by page."""
        found: list[dict[str, Any]] = []
        params: dict[str, str] = {"limit": "100"}
        while True:
            data = self.data("GET", path, params=params)
            found += data[name]
            if data["nextCursor"] is None:
                return found
            params["cursor"] = data["nextCursor"]

    def dataset(self, content: str = CSV) -> str:
        """A dataset in the catalog, with its one file uploaded."""
        named = {"name": f"numbers-{uuid4().hex[:8]}", "version": "1"}
        made = self.data("POST", "/catalog/datasets", json=named)
        file = {"file": ("numbers.csv", content.encode(), "text/csv")}
        self.data("POST", f"/catalog/datasets/{made['id']}/upload", files=file)
        return made["id"]


def request(**changes: Any) -> dict[str, Any]:
    """A small job that trains something real on the CPU."""
    hyperparameters: Mapping[str, Any] = {"architecture": "mlp", "epochs": 3}
    body: dict[str, Any] = {
        "name": "a test",
        "jobType": "from_scratch",
        "useGpu": False,
        "resourceProfile": {"cpuCores": 1, "memory": "1Gi", "maxDuration": 10},
        "trainer": dict(SKLEARN),
        "hyperparameters": dict(hyperparameters) | changes.pop("hyperparameters", {}),
        "outputModelName": f"test-{uuid4().hex[:8]}",
        "retryPolicy": {"maxRetries": 2, "backoffSeconds": 0},
    }
    return body | changes
