"""HTTP on loopback: a thread a connection, which a client keeps for its next requests."""

import logging
import shutil
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from eventrain_trainer.relay.body import Body, Vanished
from eventrain_trainer.relay.desk import Reply, as_json
from eventrain_trainer.relay.failure import Failure

log = logging.getLogger("eventrain")

Answer = Callable[[str, str, Body], Reply]
POLL = 0.1
SEND_BUFFER = 64 * 1024


class Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, answer: Answer) -> None:
        super().__init__(("127.0.0.1", 0), Exchange)
        self.answer = answer
        self._busy = 0
        self._idle = threading.Condition()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def open(self) -> None:
        threading.Thread(
            target=self.serve_forever, args=(POLL,), name="eventrain-mlflow", daemon=True
        ).start()

    def close(self, seconds: float) -> None:
        """What was asked before is answered first, within bounds."""
        self.shutdown()
        self.server_close()
        with self._idle:
            self._idle.wait_for(lambda: not self._busy, seconds)

    def begin(self) -> None:
        with self._idle:
            self._busy += 1

    def end(self) -> None:
        with self._idle:
            self._busy -= 1
            self._idle.notify_all()

    def handle_error(self, request: Any, client_address: Any) -> None:
        log.debug("a client of MLflow's at %s has gone", client_address)


class Exchange(BaseHTTPRequestHandler):
    server: Server  # pyright: ignore[reportIncompatibleVariableOverride]
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = SEND_BUFFER

    def do_GET(self) -> None:
        self.server.begin()
        try:
            self._answer()
        finally:
            self.server.end()

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

    def handle_expect_100(self) -> bool:
        going_on = super().handle_expect_100()
        self.wfile.flush()
        return going_on

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 as it is called there
        log.debug(format, *args)

    def _answer(self) -> None:
        try:
            body = Body(self.rfile, self.headers)  # pyright: ignore[reportArgumentType]
            reply = self._reply(body)
            body.drain()
            self._send(reply)
        except (ConnectionError, TimeoutError) as error:
            log.debug("a client of MLflow's has gone: %s", error)
            self.close_connection = True

    def _reply(self, body: Body) -> Reply:
        try:
            return self.server.answer(self.command, self.path, body)
        except Failure as failure:
            return as_json(failure.status, failure.body())
        except Vanished:
            raise
        except Exception as error:
            log.warning("%s %s failed", self.command, self.path, exc_info=True)
            return as_json(500, Failure("INTERNAL_ERROR", f"{error!r}").body())

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.type)
        self.send_header("Content-Length", str(reply.size if reply.file else len(reply.content)))
        self.end_headers()
        if reply.file is None:
            self.wfile.write(reply.content)
            return
        with reply.file as file:
            shutil.copyfileobj(file, self.wfile, SEND_BUFFER)
