"""Something between a client and MLflow that breaks at chosen calls: MLflow has done what it was
asked, and nobody hears of it."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

# Told of each call's path once MLflow has answered; True keeps the answer from the caller.
After = Callable[[str], bool]


@dataclass
class Front:
    """`failing` is a status that answers every call instead of MLflow; `slow` are seconds that an
    answer takes."""

    url: str = ""
    after: After = lambda path: False
    failing: int | None = None
    slow: float = 0
    calls: list[str] = field(default_factory=list[str])
    closed: threading.Event = field(default_factory=threading.Event)


@contextlib.contextmanager
def before(mlflow_url: str) -> Iterator[Front]:
    """Passes on what it is not told to break."""
    front = Front()

    class Handler(BaseHTTPRequestHandler):
        def pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            front.calls.append(f"{self.command} {self.path.partition('?')[0]}")
            front.closed.wait(front.slow)
            if front.failing is not None:
                self._answer(front.failing, b"no")
                return
            answer = httpx.request(
                self.command,
                f"{mlflow_url}{self.path}",
                content=body,
                headers={"content-type": self.headers.get("content-type", "")},
                timeout=60,
            )
            if not front.after(self.path):
                self._answer(answer.status_code, answer.content)

        def _answer(self, status: int, body: bytes) -> None:
            with contextlib.suppress(OSError):
                self.send_response(status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        do_GET = do_POST = do_PATCH = do_DELETE = pass_on

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    served = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    front.url = f"http://127.0.0.1:{served.server_port}"
    thread = threading.Thread(target=served.serve_forever)
    thread.start()
    try:
        yield front
    finally:
        front.closed.set()
        served.shutdown()
        served.server_close()
        thread.join()
