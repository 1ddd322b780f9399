"""HTTP for a mock: callbacks, the bucket, and the way to tell it what to do."""

import socket
import struct
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote, urlsplit

from eventrain_trainer.mock import control
from eventrain_trainer.mock.answer import Answer, Refusal, broken, not_found, unavailable
from eventrain_trainer.mock.callbacks import LARGEST_BODY, WHAT, Call, Obeyed, read_body
from eventrain_trainer.mock.heard import Heard
from eventrain_trainer.mock.store import PATH

if TYPE_CHECKING:
    from eventrain_trainer.mock.plane import ControlPlane

BLOCK = 256 * 1024
NOTHING = Answer(0)


class _Cut(Exception):
    """The connection is to end here, without an answer."""


class Server:
    def __init__(self, plane: "ControlPlane", port: int) -> None:
        self._server = _Http(("127.0.0.1", port), _handler_of(plane, self))
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="eventrain-mock", daemon=True
        )
        self.closing = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def open(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self.closing.set()
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()
        self._server.hang_up()


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(address, handler)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._open.add(request)
        super().process_request_thread(request, client_address)
        with self._lock:
            self._open.discard(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who hangs up in the middle is no news here."""

    def hang_up(self) -> None:
        """Ends what is kept alive, so that no thread waits on."""
        with self._lock:
            for one in self._open:
                try:
                    one.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue


def _handler_of(plane: "ControlPlane", server: Server) -> type[BaseHTTPRequestHandler]:
    class Handler(_Handler):
        pass

    Handler.plane, Handler.server_of = plane, server
    return Handler


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    plane: "ControlPlane"
    server_of: Server

    def do_GET(self) -> None:
        self._answer("GET")

    def do_PUT(self) -> None:
        self._answer("PUT")

    def do_POST(self) -> None:
        self._answer("POST")

    def do_DELETE(self) -> None:
        self._answer("DELETE")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 the name is the base's
        pass

    def _answer(self, method: str) -> None:
        address = urlsplit(self.path)
        self._unread = int(self.headers.get("Content-Length") or 0)
        try:
            if address.path == PATH or address.path.startswith(f"{PATH}/"):
                self._send(self._bucket(method, address.path, address.query))
            elif address.path.startswith(control.PATH):
                self._send(
                    control.answer(self.plane, method, address.path, self._read(LARGEST_BODY))
                )
            else:
                self._send(self._callback(method, address.path))
        except _Cut:
            self._hang_up()
        except OSError:
            self.close_connection = True

    def _callback(self, method: str, path: str) -> Answer:
        _, _, rest = path.partition("/v1/jobs/")
        job_id, _, what = rest.partition("/")
        if what not in WHAT:
            return not_found().answer
        if method != "POST":
            allow = {"Allow": "POST"}
            message = "This path does not offer that method."
            return Refusal(405, "METHOD_NOT_ALLOWED", message, headers=allow).answer
        fault = self.plane.calls.next()
        if fault == "refused":
            self._note(what, Obeyed(NOTHING))
            raise _Cut
        headers = {name.lower(): value for name, value in self.headers.items()}
        call = Call(what, job_id, headers, self._read(LARGEST_BODY))
        return self._obey(call, fault)

    def _obey(self, call: Call, fault: str) -> Answer:
        if fault == "silent":
            self._note(call.what, Obeyed(NOTHING, body=read_body(call.body)))
            self.server_of.closing.wait()
            raise _Cut
        if fault == "slow":
            self.server_of.closing.wait(self.plane.delay)
        if fault in ("away", "broken"):
            refusal = unavailable() if fault == "away" else broken()
            self._note(call.what, Obeyed(refusal.answer, body=read_body(call.body)))
            return refusal.answer
        with self.plane.lock:
            obeyed = self.plane.callbacks.obey(call)
            self._note(call.what, obeyed, call)
        if fault == "cut":
            raise _Cut
        return obeyed.answer

    def _bucket(self, method: str, path: str, query: str) -> Answer:
        key = unquote(path.removeprefix(PATH).removeprefix("/"))
        refused = self.plane.store.refusal(method, path, query)
        answer = refused or self._stored(
            method, key, dict(parse_qsl(query, keep_blank_values=True))
        )
        self._note_bucket(method, key, answer.status)
        return answer

    def _stored(self, method: str, key: str, query: dict[str, str]) -> Answer:
        store = self.plane.store
        match method:
            case "PUT":
                return self._put(key, query)
            case "GET":
                return store.get(key, query, self.headers.get("Range", ""))
            case "POST":
                return store.post(key, query, self._read(LARGEST_BODY))
            case _:
                return store.abort(query.get("uploadId", ""))

    def _put(self, key: str, query: dict[str, str]) -> Answer:
        match self.plane.uploads.next():
            case "refused":
                return Answer(403, b"<Error><Code>AccessDenied</Code></Error>")
            case "cut":
                self._drop(self._unread // 2)
                self._note_bucket("PUT", key, 0)
                raise _Cut
            case "lost":
                return Answer(200, headers={"ETag": '"lost"'})
            case _:
                return self.plane.store.put(key, query, self._blocks(self._unread))

    def _read(self, most: int) -> bytes:
        """The body, up to a byte more than is allowed: whoever judges it sees that it is."""
        return b"".join(self._blocks(min(self._unread, most + 1)))

    def _drop(self, length: int) -> None:
        for _ in self._blocks(length):
            pass

    def _blocks(self, length: int) -> Iterator[bytes]:
        while length > 0:
            block = self.rfile.read(min(length, BLOCK))
            if not block:
                raise _Cut
            length -= len(block)
            self._unread -= len(block)
            yield block

    def _send(self, answer: Answer) -> None:
        """Once the rest of the body is read: on a connection that is kept, it would be the next."""
        self._drop(self._unread)
        self.send_response(answer.status)
        for name, value in {**answer.headers, "Content-Length": str(len(answer.body))}.items():
            self.send_header(name, value)
        if request_id := self.headers.get("X-Request-Id"):
            self.send_header("X-Request-Id", request_id)
        self.end_headers()
        self.wfile.write(answer.body)

    def _hang_up(self) -> None:
        """A reset, as from a peer that is gone."""
        self.close_connection = True
        try:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        except OSError:
            return

    def _note(self, what: str, obeyed: Obeyed, call: Call | None = None) -> None:
        token = call.token if call else ""
        body = read_body(call.body) if call and obeyed.body is None else obeyed.body or {}
        status = obeyed.answer.status
        told = (obeyed.attempt, status, body, obeyed.event_id, token, obeyed.repeat)
        self.plane.note(Heard(self.plane.now(), what, *told))

    def _note_bucket(self, method: str, key: str, status: int) -> None:
        body = {"key": key or "a listing"}
        attempt = self.plane.job.attempt
        self.plane.note(Heard(self.plane.now(), method.lower(), attempt, status, body))
