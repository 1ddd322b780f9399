"""How requests reach a hot function: by uvicorn's protocol, with a short way for the small ones.

Half of what a heartbeat costs beside its own work is what a server does for requests of any kind: a
scope, a queue of messages for the body, one for the answer, a look at each header that goes out. A
POST that is wholly here before it is looked at, and whose answer is as small, needs none of this.
Everything else goes uvicorn's own way, and so does whatever is uncommon about such a POST.
"""

import re
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from common.asgi import Answer, App, Request, Stream

# In bytes; a larger body is not read before it has been asked for.
SMALL = 1 << 15
PLAIN = re.compile(rb"/[A-Za-z0-9/._~-]*").fullmatch

Headers = dict[bytes, bytes]


class Protocol(HttpToolsProtocol):
    """One connection. What it overrides of uvicorn 0.54 is how a request begins and ends."""

    app: Any
    cycle: Any
    parser: Any
    transport: Any
    _idle_since: float | None = None

    def on_message_begin(self) -> None:
        self.url = b""
        self.expect_100_continue = False
        self.headers = []

    def on_headers_complete(self) -> None:
        headers = dict(self.headers)
        if self._is_small_post(headers):
            self.cycle = Exchange(self, headers)
            return
        url, expects, given = self.url, self.expect_100_continue, self.headers
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects
        self.headers += given
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if type(self.cycle) is Exchange:
            self.cycle.body += body
        else:
            super().on_body(body)

    def on_message_complete(self) -> None:
        cycle = self.cycle
        if type(cycle) is not Exchange:
            super().on_message_complete()
            return
        task = self.loop.create_task(cycle.run())
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)

    def on_response_complete(self) -> None:
        if self.pipeline or self.transport.is_closing():
            super().on_response_complete()
            return
        self.server_state.total_requests += 1
        self.flow.resume_reading()
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._look_again_in(self.timeout_keep_alive)

    def timeout_keep_alive_handler(self) -> None:
        self.timeout_keep_alive_task = None
        if self._idle_since is None:
            return
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._look_again_in(left)
        else:
            super().timeout_keep_alive_handler()

    def _look_again_in(self, seconds: float) -> None:
        """One timer for as long as requests follow each other, not one for each."""
        self.timeout_keep_alive_task = self.loop.call_later(
            seconds, self.timeout_keep_alive_handler
        )

    def _unset_keepalive_if_required(self) -> None:
        # The timer finds it so and sets none anew.
        self._idle_since = None

    def _is_small_post(self, headers: Headers) -> bool:
        """Whether nothing about the request is uncommon, and no other is under way before it."""
        before, parser = self.cycle, self.parser
        length = headers.get(b"content-length", b"")
        return (
            parser.get_method() == b"POST"
            and type(self.app) is App
            and length.isdigit()
            and int(length) <= SMALL
            and PLAIN(self.url) is not None
            and (before is None or before.response_complete)
            and parser.get_http_version() == "1.1"
            and parser.should_keep_alive()
            and not parser.should_upgrade()
            and not self.expect_100_continue
            and not self.pipeline
            and not self.flow.write_paused
        )


class _Unheard:
    """Stands for the event that nobody waits for here."""

    def set(self) -> None: ...


class Exchange:
    """One such request and its answer; in the protocol's eyes, one of uvicorn's cycles."""

    __slots__ = (
        "_headers",
        "_path",
        "_protocol",
        "body",
        "disconnected",
        "keep_alive",
        "response_complete",
    )
    message_event = _Unheard()

    def __init__(self, protocol: Protocol, headers: Headers) -> None:
        self._protocol = protocol
        self._headers = headers
        # The protocol may be reading the next request by the time this one is answered.
        self._path = protocol.url.decode()
        self.body = b""
        self.disconnected = False
        self.keep_alive = True
        self.response_complete = False

    async def run(self) -> None:
        """Asks the application and writes what it answers."""
        protocol = self._protocol
        app: App = protocol.app
        request = Request("POST", self._path, b"", self._headers, body=self.body)
        try:
            answer = await app.answer(request)
            if isinstance(answer, Stream):
                raise TypeError("a POST is not answered by a stream")
            self._write(answer)
        finally:
            if not self.response_complete:
                protocol.transport.close()

    def _write(self, answer: Answer) -> None:
        if self.disconnected:
            return
        protocol = self._protocol
        parts = [STATUS_LINE[answer.status]]
        # Names and values are ours, or were looked at when they came in (`common/trace.py`).
        for name, value in (*protocol.server_state.default_headers, *answer.headers):
            parts += (name, b": ", value, b"\r\n")
        parts += (b"\r\n" if self.keep_alive else b"connection: close\r\n\r\n", answer.body)
        protocol.transport.write(b"".join(parts))
        self.response_complete = True
        if not self.keep_alive:
            protocol.transport.close()
        protocol.on_response_complete()
