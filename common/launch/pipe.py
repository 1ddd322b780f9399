"""A connection for long answers: megabytes a page cost httpx's own transport more, chunk by chunk,
than reading what is in them."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from typing import cast

import httptools
import httpx

PATIENCE = 30.0


class Pipe(httpx.AsyncBaseTransport):
    """Asks one thing at a time over one connection, which is opened anew where it was lost; who
    asks two things at once waits for the first. An answer that breaks off, or takes longer than
    the patience, is an httpx.TransportError."""

    def __init__(self, tls: ssl.SSLContext | bool = True, patience: float = PATIENCE) -> None:
        self._tls = tls
        self._patience = patience
        self._reader: _Reader | None = None
        self._turn = asyncio.Lock()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        async with self._turn:
            try:
                async with asyncio.timeout(self._patience):
                    return await self._ask(request)
            except TimeoutError:
                self._close()
                raise httpx.ReadTimeout("the answer took too long") from None
            except OSError as wrong:
                self._close()
                raise httpx.ReadError(str(wrong)) from wrong
            except BaseException:
                self._close()
                raise

    async def aclose(self) -> None:
        self._close()

    async def _ask(self, request: httpx.Request) -> httpx.Response:
        kept = self._reader
        reader = await self._connect(request.url)
        try:
            return await reader.ask(request)
        except httpx.RemoteProtocolError:
            if reader is not kept or reader.heard:
                raise
        # It was closed, for having been idle, while we asked.
        self._close()
        return await (await self._connect(request.url)).ask(request)

    async def _connect(self, url: httpx.URL) -> "_Reader":
        if self._reader is not None and self._reader.lost:
            self._close()
        if self._reader is None:
            secure = url.scheme == "https"
            _, self._reader = await asyncio.get_running_loop().create_connection(
                _Reader,
                url.host,
                url.port or (443 if secure else 80),
                ssl=self._tls if secure else None,
            )
        return self._reader

    def _close(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None


class _Reader(asyncio.Protocol):
    """What httptools calls back, and asyncio."""

    def __init__(self) -> None:
        self.lost = False
        self.heard = False
        self._transport: asyncio.Transport
        self._parser = httptools.HttpResponseParser(self)
        self._answer: asyncio.Future[httpx.Response] | None = None
        self._headers: list[tuple[bytes, bytes]] = []
        self._body: list[bytes] = []

    async def ask(self, request: httpx.Request) -> httpx.Response:
        self._parser = httptools.HttpResponseParser(self)
        self._answer = asyncio.get_running_loop().create_future()
        self._headers, self._body, self.heard = [], [], False
        self._transport.write(_head_of(request))
        return await self._answer

    def close(self) -> None:
        self.lost = True
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.heard = True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as wrong:
            self._fail(f"what came is no answer: {wrong}")
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        self._fail("the connection was lost")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        self.lost = self.lost or not self._parser.should_keep_alive()
        status, body = self._parser.get_status_code(), _Once(self._body)
        self._body = []
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(httpx.Response(status, headers=self._headers, stream=body))

    def _fail(self, why: str) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(httpx.RemoteProtocolError(why))


class _Once(httpx.AsyncByteStream):
    """A body that is let go of as it is read."""

    def __init__(self, parts: list[bytes]) -> None:
        self._parts = parts

    async def __aiter__(self) -> AsyncIterator[bytes]:
        parts, self._parts = self._parts, []
        yield b"".join(parts)


def _head_of(request: httpx.Request) -> bytes:
    lines = [f"{request.method} ".encode() + request.url.raw_path + b" HTTP/1.1"]
    lines += [name + b": " + value for name, value in request.headers.raw]
    return b"\r\n".join([*lines, b"", b""])
