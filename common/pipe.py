"""HTTP/1.1 over connections of our own, to one server that is asked again and again.

For who speaks to the broker or the cluster with every job, httpx's own transport cost more than
the question: a millisecond of CPU for each, and more than reading it for an answer of megabytes.
"""

import asyncio
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

import httptools

MOST_KEPT = 16


class Lost(OSError):
    """No whole answer came."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`parts` of the body may be taken out, so that nothing else holds them."""

    status: int
    headers: list[tuple[bytes, bytes]]
    parts: list[bytes]

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300


def question(
    method: str, target: bytes, headers: Iterable[tuple[bytes, bytes]], body: bytes = b""
) -> bytes:
    """What goes over the wire. Raises ValueError for a header that would be two."""
    lines = [method.encode() + b" " + target + b" HTTP/1.1"]
    lines += [name + b": " + value for name, value in headers]
    if any(b"\n" in line or b"\r" in line for line in lines):
        raise ValueError("a header of more than one line")
    return b"\r\n".join([*lines, b"", body])


class Pipes:
    """As many connections as questions are asked at once; each is kept for the next."""

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | bool = False) -> None:
        self._host, self._port, self._tls = host, port, tls
        self._kept: list[_Pipe] = []

    async def ask(self, asked: bytes, patience: float, end: int | None = None) -> Answer:
        """One question, of which a repeat must do no harm: where a kept connection was closed, for
        having been idle, while we asked, it is asked again over another. Raises OSError, of which
        TimeoutError is one: the answer took longer than the patience.

        With an `end`, a quarter more than so many of the body's last bytes are held at most, and
        the patience is for each part of it: it may be long."""
        async with asyncio.timeout(patience) as limit:
            tail = None if end is None else _Tail(end, limit, patience)
            pipe = self._take()
            if pipe is not None:
                try:
                    return await self._over(pipe, asked, tail)
                except Lost:
                    if pipe.heard:
                        raise
            return await self._over(await self._connect(), asked, tail)

    def close(self) -> None:
        while self._kept:
            self._kept.pop().close()

    def _take(self) -> "_Pipe | None":
        while self._kept:
            pipe = self._kept.pop()
            if not pipe.lost:
                return pipe
        return None

    async def _connect(self) -> "_Pipe":
        tls = self._tls or None
        loop = asyncio.get_running_loop()
        _, pipe = await loop.create_connection(_Pipe, self._host, self._port, ssl=tls)
        return pipe

    async def _over(self, pipe: "_Pipe", asked: bytes, tail: "_Tail | None") -> Answer:
        try:
            answer = await pipe.ask(asked, tail)
        except BaseException:
            pipe.close()
            raise
        if pipe.lost or len(self._kept) >= MOST_KEPT:
            pipe.close()
        else:
            self._kept.append(pipe)
        return answer


@dataclass(slots=True)
class _Tail:
    """For who wants the end of an answer only, and waits as long as more of it comes."""

    size: int
    limit: asyncio.Timeout
    patience: float
    held: int = 0

    def renew(self) -> None:
        if not self.limit.expired():
            self.limit.reschedule(asyncio.get_running_loop().time() + self.patience)

    def cut(self, parts: list[bytes]) -> None:
        """Called for each part, which may be a line; so it is not cut for each."""
        self.held += len(parts[-1])
        if self.held > self.size + self.size // 4:
            parts[:] = [b"".join(parts)[-self.size :]]
            self.held = len(parts[0])


class _Pipe(asyncio.Protocol):
    """One connection: what asyncio calls back, and httptools."""

    def __init__(self) -> None:
        self.lost = False
        self.heard = False
        self._transport: asyncio.Transport
        self._parser = httptools.HttpResponseParser(self)
        self._answer: asyncio.Future[Answer] | None = None
        self._headers: list[tuple[bytes, bytes]] = []
        self._parts: list[bytes] = []
        self._tail: _Tail | None = None
        self._until_closed = False

    async def ask(self, asked: bytes, tail: _Tail | None) -> Answer:
        self._parser = httptools.HttpResponseParser(self)
        self._answer = asyncio.get_running_loop().create_future()
        self._headers, self._parts, self.heard = [], [], False
        self._tail, self._until_closed = tail, False
        self._transport.write(asked)
        return await self._answer

    def close(self) -> None:
        self.lost = True
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.heard = True
        if self._tail is not None:
            self._tail.renew()
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as wrong:
            self._fail(f"what came is no answer: {wrong}")
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        if exc is None and self._until_closed:
            self.on_message_complete()
        self._fail("the connection was lost")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """An answer that does not say how long it is ends with its connection."""
        names = {name.lower() for name, _ in self._headers}
        self._until_closed = not names & {b"content-length", b"transfer-encoding"}

    def on_body(self, body: bytes) -> None:
        self._parts.append(body)
        if self._tail is not None:
            self._tail.cut(self._parts)

    def on_message_complete(self) -> None:
        self.lost = self.lost or not self._parser.should_keep_alive()
        self._tail = None
        parts, self._parts = self._parts, []
        if self._answer is not None and not self._answer.done():
            status = self._parser.get_status_code()
            self._answer.set_result(Answer(status, self._headers, parts))

    def _fail(self, why: str) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(Lost(why))
