"""A control plane that fits in a thread: answers the callback API, and misbehaves when told to."""

import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from tests.integration.trainer.bucket import Bucket

JOB = "0b6f3c52-3a55-4e4c-9d1c-2f0f3a5d7c11"


@dataclass
class ControlPlane:
    """`mode` up, away (503), or silent (accepts and never answers); the rest is told by fields."""

    bucket: Bucket | None = None
    mode: str = "up"
    attempt: int = 1
    tokens: set[str] = field(default_factory=lambda: {"first"})
    renew: str = ""
    command: str = "continue"
    stale: bool = False
    part_size: int = 5 * 1024 * 1024
    large: int = 64 * 1024 * 1024
    refused_addresses: int = 0
    slow_puts: bool = False
    known: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    """What is told of an object beside its address, by its uri."""
    heartbeats: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    events: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    dones: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    seen_tokens: list[str] = field(default_factory=list[str])
    asked: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    half_put: threading.Event = field(default_factory=threading.Event)
    _closing: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Self:
        plane = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                plane.answer(self)

            def do_PUT(self) -> None:
                plane.take_half(self)

            def log_request(self, code: object = "-", size: object = "-") -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def environ(self, **more: str) -> dict[str, str]:
        base = f"{self.url}/v1/jobs/{JOB}"
        given = {
            "JOB_ID": JOB,
            "ATTEMPT": str(self.attempt),
            "TRACE_ID": "4bf92f3577b34da6a3ce929d0e0e4736",
            "HEARTBEAT_URL": f"{base}/heartbeat",
            "EVENT_URL": f"{base}/event",
            "DONE_URL": f"{base}/done",
            "ADDRESSES_URL": f"{base}/addresses",
            "CALLBACK_TOKEN": "first",
            "HEARTBEAT_INTERVAL_SECONDS": "0.1",
            "CALLBACK_TIMEOUT_SECONDS": "1",
            "DONE_WAIT_SECONDS": "5",
            "UPLOAD_WAIT_SECONDS": "20",
            "TERMINATION_GRACE_SECONDS": "8",
            "PATH": "/usr/bin:/bin",
        }
        if self.bucket:
            given["RESULT_PUT_URL"] = self.bucket.put_address(self.key("result.json"))
        return given | more

    def key(self, name: str) -> str:
        return f"jobs/{JOB}/{self.attempt}/{name}"

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        return [event["payload"] for event in list(self.events.values()) if event["type"] == kind]

    @property
    def points(self) -> list[dict[str, Any]]:
        """As history keeps them: each sequence once."""
        known = {beat["sequence"]: beat for beat in list(self.heartbeats)}
        return [point for _, beat in sorted(known.items()) for point in beat.get("points", [])]

    def newest_checkpoint(self) -> dict[str, Any] | None:
        found = self.of_type("checkpoint_saved")
        return found[-1] if found else None

    def wait_for(self, happened: Any, seconds: float = 60.0) -> None:
        until = time.monotonic() + seconds
        while not happened():
            if time.monotonic() > until:
                raise AssertionError("it did not happen in time")
            time.sleep(0.02)

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        raw = request.rfile.read(int(request.headers["Content-Length"]))
        token = request.headers["Authorization"].removeprefix("Bearer ")
        if self.mode == "silent":
            self._closing.wait()
            return
        if self.mode == "away":
            _reply(request, 503, "away", {"Retry-After": "0"})
            return
        self.seen_tokens.append(token)
        if token not in self.tokens:
            _reply(request, 401, "not a token of this job")
            return
        if self.stale:
            _reply(request, 409, "stale", data={"code": "STALE_ATTEMPT", "command": "stop"})
            return
        deed = getattr(self, "on_" + request.path.rpartition("/")[2])
        _reply(request, 200, "ok", data=deed(json.loads(raw), request.headers.get("ce-id")))

    def on_heartbeat(self, body: dict[str, Any], _: str | None) -> dict[str, Any]:
        self.heartbeats.append(body)
        answer: dict[str, Any] = {"command": self.command, "intervalSeconds": 0.1}
        return answer | ({"token": self.renew} if self.renew else {})

    def on_event(self, body: dict[str, Any], event_id: str | None) -> dict[str, Any]:
        assert event_id
        self.events.setdefault(event_id, body)
        return {"sequence": len(self.events)}

    def on_done(self, body: dict[str, Any], _: str | None) -> dict[str, Any]:
        self.dones.append(body)
        return {"id": JOB}

    def on_addresses(self, body: dict[str, Any], _: str | None) -> dict[str, Any]:
        self.asked.append(body)
        return {
            "prefix": self.key(""),
            "expiresInSeconds": 3600,
            "puts": [self._put(wanted) for wanted in body["puts"]],
            "gets": [self._get(uri) for uri in body["gets"]],
        }

    def _put(self, wanted: dict[str, Any]) -> dict[str, Any]:
        assert self.bucket
        key = self.key(wanted["name"])
        found = {"name": wanted["name"], "uri": self.bucket.uri(key)}
        if self.slow_puts and wanted["size"] <= self.large:
            return {**found, "url": f"{self.url}/slow/{wanted['name']}"}
        if self.refused_addresses:
            self.refused_addresses -= 1
            return {**found, "url": self.bucket.forged_address(key)}
        if wanted["size"] <= self.large:
            return {**found, "url": self.bucket.put_address(key)}
        whole: dict[str, Any] = {**found, **self.bucket.parts(key, wanted, self.part_size)}
        if self.slow_puts and "parts" in whole:
            whole["parts"][1]["url"] = f"{self.url}/slow/{wanted['name']}"
        return whole

    def _get(self, uri: str) -> dict[str, Any]:
        assert self.bucket
        key = uri.removeprefix(self.bucket.uri(""))
        kind = "listUrl" if uri.endswith("/") else "url"
        address = self.bucket.list_address if uri.endswith("/") else self.bucket.get_address
        return {"uri": uri, kind: address(key), **self.known.get(uri, {})}

    def take_half(self, request: BaseHTTPRequestHandler) -> None:
        """Takes the first half of a body, then nothing."""
        request.rfile.read(int(request.headers["Content-Length"]) // 2)
        self.half_put.set()
        self._closing.wait()


def _reply(
    request: BaseHTTPRequestHandler,
    status: int,
    message: str,
    headers: dict[str, str] | None = None,
    data: dict[str, Any] | None = None,
) -> None:
    word = "success" if status == 200 else "fail"
    body = json.dumps({"status": word, "message": message, "data": data}).encode()
    try:
        request.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(body)
    except OSError:
        return
