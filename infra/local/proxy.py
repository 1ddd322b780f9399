"""Carries a request to a function and its answer back, streaming both ways."""

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterator, Iterable

import aiohttp
from starlette.types import Message, Receive, Scope, Send
from yarl import URL

from infra.local.function import Function, NotReady

# aiohttp gives a connection up before uvicorn does (5 s), so no request meets a closing one.
IDLE_CONNECTION_SECONDS = 2.0
HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization te trailer "
    b"transfer-encoding upgrade expect host".split()
)
PIECE = 1 << 16


def open_session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=IDLE_CONNECTION_SECONDS),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=5),
        auto_decompress=False,
        skip_auto_headers=("User-Agent", "Accept-Encoding", "Accept", "Content-Type"),
    )


async def fail(scope: Scope, send: Send, status: int, message: str) -> None:
    """An answer of the gateway's own, in the envelope."""
    body = json.dumps({"status": "fail", "message": message, "data": None}).encode()
    headers = [(b"content-type", b"application/json"), *_echoed(scope["headers"])]
    headers.append((b"content-length", str(len(body)).encode()))
    if status in (502, 503, 504):
        headers.append((b"retry-after", b"1"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class Exchange:
    """One request to one function."""

    def __init__(
        self, function: Function, session: aiohttp.ClientSession, scope: Scope, send: Send
    ) -> None:
        self._function = function
        self._session = session
        self._scope = scope
        self._send = send
        self._started = False

    async def run(self, receive: Receive) -> None:
        body = _Body(receive)
        work = asyncio.create_task(self._answer_in_time(body))
        gone = asyncio.create_task(body.gone.wait())
        try:
            await asyncio.wait((work, gone), return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                work.result()
        finally:
            for task in (work, gone):
                task.cancel()
            await asyncio.gather(work, gone, return_exceptions=True)
            await body.close()

    async def _answer_in_time(self, body: "_Body") -> None:
        name = self._function.plan.name
        try:
            async with asyncio.timeout(self._function.plan.timeout):
                await self._answer(body)
        except NotReady as problem:
            await self._fail(503, f"{problem}: try again in a moment.")
        except TimeoutError:
            await self._fail(504, f"{name} took longer than {self._function.plan.timeout:g} s.")
        except (aiohttp.ClientError, OSError):
            self._function.doubt()
            await self._fail(502, f"{name} broke the connection off: try again in a moment.")

    async def _answer(self, body: "_Body") -> None:
        async with self._function.request() as address:
            url = URL(address + _target(self._scope), encoded=True)
            async with self._session.request(
                self._scope["method"],
                url,
                headers=self._request_headers(),
                data=await body.content(),
                allow_redirects=False,
            ) as answer:
                await self._relay(answer)

    async def _relay(self, answer: aiohttp.ClientResponse) -> None:
        headers = [(k.lower(), v) for k, v in answer.raw_headers if k.lower() not in HOP_BY_HOP]
        self._started = True
        await self._send(
            {"type": "http.response.start", "status": answer.status, "headers": headers}
        )
        async for piece in answer.content.iter_any():
            await self._send({"type": "http.response.body", "body": piece, "more_body": True})
        await self._send({"type": "http.response.body", "body": b""})

    async def _fail(self, status: int, message: str) -> None:
        if self._started:
            raise ConnectionAbortedError(message)
        await fail(self._scope, self._send, status, message)

    def _request_headers(self) -> list[tuple[str, str]]:
        kept = [(k, v) for k, v in self._scope["headers"] if k not in HOP_BY_HOP]
        client = self._scope.get("client") or ("", 0)
        return [
            *((k.decode("latin-1"), v.decode("latin-1")) for k, v in kept),
            ("host", self._function.plan.host),
            ("x-forwarded-for", client[0]),
            ("x-forwarded-proto", self._scope.get("scheme", "http")),
        ]


class _Body:
    """The caller's body as it arrives; afterwards, listens for the caller going away."""

    def __init__(self, receive: Receive) -> None:
        self.gone = asyncio.Event()
        self._receive = receive
        self._listener: asyncio.Task[None] | None = None

    async def content(self) -> bytes | AsyncIterator[bytes]:
        first = await self._next()
        if first.get("more_body"):
            return self._stream(first)
        self._listen()
        return first.get("body", b"")

    async def close(self) -> None:
        if self._listener is not None:
            self._listener.cancel()
            await asyncio.gather(self._listener, return_exceptions=True)

    async def _stream(self, message: Message) -> AsyncIterator[bytes]:
        while True:
            body = message.get("body", b"")
            for start in range(0, len(body), PIECE):
                yield body[start : start + PIECE]
            if not message.get("more_body"):
                self._listen()
                return
            message = await self._next()

    async def _next(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self.gone.set()
            raise aiohttp.ClientConnectionError("the caller went away")
        return message

    def _listen(self) -> None:
        self._listener = asyncio.create_task(self._until_gone())

    async def _until_gone(self) -> None:
        with contextlib.suppress(aiohttp.ClientConnectionError):
            while True:
                await self._next()


def _target(scope: Scope) -> str:
    query = scope.get("query_string", b"")
    path = scope.get("raw_path") or scope["path"].encode()
    return (path + (b"?" + query if query else b"")).decode("latin-1")


def _echoed(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    sent = dict(headers)
    request_id = sent.get(b"x-request-id") or str(uuid.uuid4()).encode()
    trace = [(b"traceparent", sent[b"traceparent"])] if b"traceparent" in sent else []
    return [(b"x-request-id", request_id), *trace]
