"""A control plane in miniature: answers as CONTRACT.md says, from what a test puts into it."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

TOKEN = "a-token"
API = "/llm-ops/v1"
SUBMITTED = {"sequence": 1, "type": "job.submitted", "at": "2026-01-01T10:00:00Z"}
Answer = tuple[int, dict[str, str], Any]


def success(data: Any) -> Answer:
    return 200, {}, {"status": "success", "message": "ok", "data": data}


def fail(status: int, message: str, data: Any = None, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return status, named, {"status": "fail", "message": message, "data": data}


FRAMEWORK: dict[str, Any] = {
    "name": "sklearn",
    "title": "scikit-learn",
    "description": "A classifier",
    "isDefault": True,
    "jobTypes": ["from_scratch"],
    "cpu": True,
    "gpu": True,
    "usesGpu": False,
    "datasetFormats": ["csv"],
    "modelFormats": ["joblib"],
    "leaves": ["model/model.joblib"],
    "aliases": {"lr": "learning_rate"},
    "defaults": {"learning_rate": 0.002},
    "parameters": {
        "properties": {
            "learning_rate": {"type": "number", "exclusiveMinimum": 0, "default": 0.002},
            "architecture": {"anyOf": [{"enum": ["mlp", "linear"]}, {"type": "object"}]},
        }
    },
}


class ControlPlane:
    """`life` is what each read of the job answers in turn, the last one for good.
    `interruptions` are answered first, to whatever call comes; the calls whose numbers are in
    `away_at` find the control plane broken."""

    def __init__(self) -> None:
        self.job_id = str(uuid.uuid4())
        self.life: list[dict[str, Any]] = [{"status": "pending"}]
        self.points: list[dict[str, Any]] = []
        self.lines: list[dict[str, Any]] = []
        self.changes: list[dict[str, Any]] = [SUBMITTED]
        self.artifacts: list[dict[str, Any]] = []
        self.checkpoints: list[dict[str, Any]] = []
        self.validations: list[dict[str, Any]] = []
        self.models: list[dict[str, Any]] = []
        self.datasets: list[dict[str, Any]] = []
        self.letters: list[dict[str, Any]] = []
        self.expired: list[dict[str, Any]] = []
        self.interruptions: list[Answer] = []
        self.away_at: set[int] = set()
        self.calls: list[tuple[str, str, dict[str, str], dict[str, list[str]], Any]] = []
        self.address = ""

    def job(self) -> dict[str, Any]:
        state = self.life.pop(0) if len(self.life) > 1 else self.life[0]
        return {"id": self.job_id, "jobType": "from_scratch", "name": "digits", **state}

    def answer(self, method: str, url: str, headers: dict[str, str], body: Any) -> Answer:
        parts = urlsplit(url)
        query = parse_qs(parts.query)
        self.calls.append((method, parts.path, headers, query, body))
        if len(self.calls) in self.away_at:
            return fail(500, "Something broke here.")
        if self.interruptions:
            return self.interruptions.pop(0)
        if headers.get("Authorization") != f"Bearer {TOKEN}":
            return fail(401, "The token is not valid.")
        return self._route(method, parts.path.removeprefix(API), query)

    def _route(self, method: str, path: str, query: dict[str, list[str]]) -> Answer:
        job = f"/training/jobs/{self.job_id}"
        if path == "/training/jobs":
            if method == "POST":
                return success(self.job())
            return success({"jobs": [self.job()], "nextCursor": None})
        if path.startswith("/catalog/"):
            return self._of_catalog(method, path)
        if path == "/admin/retention":
            return success({"kinds": self.expired})
        if path.startswith("/admin/dead-letters"):
            return self._of_letters(path)
        if path == "/training/gpu-types":
            offered = {"id": "a100", "label": "A100", "enabled": True, "priority": 1}
            return success({"gpuTypes": [offered]})
        if path == "/training/frameworks":
            return success({"frameworks": [FRAMEWORK]})
        if not path.startswith(job):
            return fail(404, "There is no such job.")
        return self._of_job(path.removeprefix(job), query)

    def _of_catalog(self, method: str, path: str) -> Answer:
        if path == "/catalog/models":
            return success(self.models)
        if path.startswith("/catalog/models/"):
            return success(self.models[0])
        if method == "GET":
            return success(self.datasets)
        if not path.endswith("/upload"):
            self.datasets.append({"id": "d", "name": "digits", "version": "1"})
        else:
            self.datasets[0]["storage_uri"] = "s3://eventrain/datasets/d/digits.csv"
        return success(self.datasets[0])

    def _of_letters(self, path: str) -> Answer:
        if path == "/admin/dead-letters":
            return success({"deadLetters": self.letters, "nextCursor": None})
        named = path.split("/")[3]
        found = [letter for letter in self.letters if letter["id"] == named]
        return success(found[0]) if found else fail(404, "There is no such dead letter.")

    def _of_job(self, below: str, query: dict[str, list[str]]) -> Answer:
        start = int(query.get("cursor", ["0"])[0])
        match below:
            case "" | "/cancel" | "/resubmit":
                return success(self.job())
            case "/points":
                page = self.points[start : start + 2]
                following = str(start + 2) if len(self.points) > start + 2 else None
                return success({"points": page, "nextCursor": following})
            case "/logs":
                following = str(start + 1) if len(self.lines) > start + 1 else None
                return success({"lines": self.lines[start : start + 1], "nextCursor": following})
            case "/timeline":
                return success({"timeline": self.changes, "nextCursor": None})
            case "/attempts":
                return success({"attempts": [], "nextCursor": None})
            case "/artifacts":
                return success({"artifacts": self.artifacts, "nextCursor": None})
            case "/checkpoints":
                return success({"checkpoints": self.checkpoints, "nextCursor": None})
                row = {"sequence": 1, "type": "job.submitted", "at": "2026-01-01T10:00:00Z"}
                return success({"timeline": [row], "nextCursor": None})
            case "/validations":
                return success({"validations": self.validations, "nextCursor": None})
            case "/attempts" | "/artifacts" as name:
                return success({name[1:]: [], "nextCursor": None})
            case _:
                return fail(404, "Nothing is here.")


@pytest.fixture
def plane() -> Iterator[ControlPlane]:
    made = ControlPlane()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            text = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            is_json = self.headers.get("Content-Type") == "application/json"
            body = json.loads(text) if is_json else text
            status, headers, envelope = made.answer(
                self.command, self.path, dict(self.headers), body
            )
            payload = json.dumps(envelope).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(payload))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(payload)

        do_GET = do_POST = do_DELETE = _serve

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    made.address = f"http://127.0.0.1:{server.server_port}"
    yield made
    server.shutdown()
    server.server_close()
    thread.join()
