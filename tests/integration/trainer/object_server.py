"""A store of one object, that counts what it gives and misbehaves when told to."""

import hashlib
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

RANGE = re.compile(r"bytes=(\d+)-(\d+)")


@dataclass
class ObjectServer:
    """`cuts`: after so many bytes of an answer the wire is cut, once each. Addresses hold for the
    present `hour` only. Without `ranges` it gives the whole whatever is asked for."""

    body: bytes
    ranges: bool = True
    status: int = 206
    """Of an answer with a part."""
    cuts: list[int] = field(default_factory=list[int])
    hour: int = 0
    hours: list[int] = field(default_factory=list[int])
    """At how many answers the next hour begins."""
    asked: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    given: int = 0
    busy: int = 0
    """So many answers are 503 first."""
    swap: bytes | None = None
    """What is there after the first answer."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> Self:
        store = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                store.answer(self)

            def log_request(self, code: object = "-", size: object = "-") -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/object?hour={self.hour}"

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.body).hexdigest()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        with self._lock:
            plan = self._plan(request)
        if plan is None:
            return
        status, headers, body, cut = plan
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name, value)
        request.end_headers()
        sent = body if cut is None else body[:cut]
        self.given += len(sent)
        try:
            request.wfile.write(sent)
        except OSError:
            return
        request.close_connection = True

    def _plan(
        self, request: BaseHTTPRequestHandler
    ) -> tuple[int, dict[str, str], bytes, int | None] | None:
        if not request.path.endswith(f"hour={self.hour}"):
            request.send_error(403)
            return None
        if self.busy:
            self.busy -= 1
            request.send_error(503)
            return None
        found = RANGE.match(request.headers.get("Range", ""))
        first, last = (int(found[1]), int(found[2])) if found else (0, len(self.body) - 1)
        self.asked.append((first, last))
        if self.hours and len(self.asked) >= self.hours[0]:
            self.hours.pop(0)
            self.hour += 1
        cut = self.cuts.pop(0) if self.cuts else None
        body = self.body
        if self.swap is not None:
            self.body, self.swap = self.swap, None
        headers = {"ETag": f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'}
        if not self.ranges:
            return 200, headers | {"Content-Length": str(len(body))}, body, cut
        if first >= len(body):
            request.send_error(416)
            return None
        part = body[first : last + 1]
        headers["Content-Length"] = str(len(part))
        headers["Content-Range"] = f"bytes {first}-{first + len(part) - 1}/{len(body)}"
        return self.status, headers, part, cut
