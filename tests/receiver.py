"""A webhook's receiver: a real server that answers as it is told, and remembers what it got."""

import base64
import contextlib
import hashlib
import hmac
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Respond = Callable[[BaseHTTPRequestHandler], None]


@dataclass(frozen=True)
class Got:
    """One request, its headers' names in lower case."""

    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        return json.loads(self.body)

    def is_signed_by(self, secret: str) -> bool:
        """As any receiver would verify it, from the documentation alone."""
        told = f"{self.headers['webhook-id']}.{self.headers['webhook-timestamp']}.".encode()
        key = base64.b64decode(secret.split("_")[1])
        expected = base64.b64encode(hmac.digest(key, told + self.body, hashlib.sha256)).decode()
        signatures = self.headers.get("webhook-signature", "").split()
        return any(hmac.compare_digest(each, f"v1,{expected}") for each in signatures)


def answer(code: int, body: bytes = b"", **headers: str) -> Respond:
    """An answer of this code."""

    def respond(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return respond


@dataclass
class Receiver:
    """`respond` says how the next requests are answered."""

    port: int = 0
    respond: Respond = field(default_factory=lambda: answer(204))
    got: list[Got] = field(default_factory=list[Got])
    arrived: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def url(self, host: str = "127.0.0.1", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}/hook"


class Listening(ThreadingHTTPServer):
    """As many may knock at once as the senders of a test are."""

    request_queue_size = 128


@contextlib.contextmanager
def receiving(tls: ssl.SSLContext | None = None, port: int = 0) -> Iterator[Receiver]:
    """A receiver that listens on loopback."""
    made = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            made.got.append(Got({k.lower(): v for k, v in self.headers.items()}, body))
            made.arrived.release()
            with contextlib.suppress(OSError):
                made.respond(self)

        def log_message(self, *_: object) -> None:
            pass

    server = Listening(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    made.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
