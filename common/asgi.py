"""The small kit of the hot functions: routes, bodies, answers, streams, health. No framework."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from common import answers, envelope, errors, trace

Message = dict[str, Any]
Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Lifespan = Callable[[], AbstractAsyncContextManager[Any]]
Ready = Callable[[Any], Awaitable[bool]]
BODY_LIMIT = 1 << 20
# Behind a piece that nobody takes, all that follows would wait.
PIECE_SECONDS = 30

JSON = (b"content-type", b"application/json")


class Disconnected(Exception):
    """The client went away before it had said everything."""


class Request:
    """One request. Its body is here from the start, or read as far as it is asked for."""

    __slots__ = ("_body", "_headers", "_query", "_receive", "method", "param", "path", "state")

    def __init__(
        self,
        method: str,
        path: str,
        query: bytes,
        headers: dict[bytes, bytes],
        *,
        body: bytes | None = None,
        receive: Receive | None = None,
    ) -> None:
        self.method = method
        self.path = path
        self.param = ""
        self.state: Any = None
        self._query = query
        self._headers = headers
        self._body = body
        self._receive = receive

    @property
    def query(self) -> str:
        return self._query.decode("latin-1")

    @property
    def headers(self) -> dict[str, str]:
        """All headers by lower-case name."""
        pairs = self._headers.items()
        return {name.decode("latin-1"): value.decode("latin-1") for name, value in pairs}

    def header(self, name: bytes) -> str | None:
        """One header by its lower-case name."""
        value = self._headers.get(name)
        return None if value is None else value.decode("latin-1")

    def bearer(self) -> str:
        """The Bearer token. Raises Unauthenticated."""
        given = self._headers.get(b"authorization", b"")
        token = given[7:].strip()
        if given[:7].lower() != b"bearer " or not token:
            raise errors.Unauthenticated
        return token.decode("latin-1")

    async def body(self, limit: int = BODY_LIMIT) -> bytes:
        """The whole body. Raises TooLarge, before reading where the length is announced."""
        announced = self._headers.get(b"content-length", b"")
        if announced.isdigit() and int(announced) > limit:
            raise _too_large(limit)
        if self._body is not None:
            return self._body
        message = await self._message()
        body: bytes = message.get("body", b"")
        if message["type"] == "http.request" and not message.get("more_body"):
            if len(body) > limit:
                raise _too_large(limit)
            return body
        return await self._rest(message, limit)

    async def gone(self) -> None:
        """Returns when the client goes away."""
        while (await self._message())["type"] != "http.disconnect":
            pass

    async def _message(self) -> Message:
        if self._receive is None:
            raise Disconnected
        return await self._receive()

    async def _rest(self, message: Message, limit: int) -> bytes:
        body = bytearray()
        while message["type"] == "http.request":
            body += message.get("body", b"")
            if len(body) > limit:
                raise _too_large(limit)
            if not message.get("more_body"):
                return bytes(body)
            message = await self._message()
        raise Disconnected


Handler = Callable[[Request], Awaitable[object]]


class Stream(NamedTuple):
    """An answer without an end of its own, sent piece by piece as the reader takes them."""

    headers: Sequence[tuple[bytes, bytes]]
    pieces: AsyncGenerator[bytes]


class Answer(NamedTuple):
    """A whole answer, as it goes out."""

    status: int
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes


class Route(NamedTuple):
    """A method and a path, which may hold one `{parameter}`, and who answers there."""

    method: str
    path: str
    handler: Handler


class _Branch(NamedTuple):
    prefix: str
    suffix: str
    handlers: dict[str, Handler]


class App:
    """An ASGI application. A handler gets the request, whose `state` is what the lifespan yielded
    and whose `param` is the path's parameter; it returns the envelope's data, the whole body as
    bytes, or a Stream, or raises. `drain` is called with the state when the process is told to
    end, and ends the streams: the server waits for them. `http` names the protocol that serves it
    soonest; it can be served by any."""

    http = "common.protocol:Protocol"

    def __init__(
        self,
        routes: Sequence[Route],
        *,
        lifespan: Lifespan,
        ready: Ready,
        openapi: Callable[[], Mapping[str, Any]],
        drain: Callable[[Any], None] | None = None,
    ) -> None:
        self._lifespan = lifespan
        self._drain = drain
        self._ready = ready
        self._openapi = openapi
        self._description: bytes | None = None
        self._state: Any = None
        self._exact: dict[str, dict[str, Handler]] = {}
        self._branches: list[_Branch] = []
        for route in (*routes, *self._own_routes()):
            self._add(route)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        method, path, query = scope["method"], scope["path"], scope["query_string"]
        request = Request(method, path, query, dict(scope["headers"]), receive=receive)
        try:
            answer = await self.answer(request)
        except Disconnected:
            return
        if isinstance(answer, Stream):
            await _stream(answer, request, send)
            return
        await send(
            {"type": "http.response.start", "status": answer.status, "headers": answer.headers}
        )
        await send({"type": "http.response.body", "body": b"" if method == "HEAD" else answer.body})

    async def answer(self, request: Request) -> Answer | Stream:
        """What the request is answered, whatever goes wrong. Raises Disconnected."""
        echoed = _identify(request)
        request.state = self._state
        try:
            handlers, request.param = self._find(request.path)
            handler = handlers.get(request.method) or _head(request.method, handlers)
            data = await handler(request)
            if type(data) is Stream:
                return Stream([*data.headers, *echoed], data.pieces)
            body = data if type(data) is bytes else envelope.success(data)
            status, headers = 200, (JSON,)
        except Disconnected:
            raise
        except Exception as wrong:  # noqa: BLE001 - the boundary
            status, headers, body = answers.http_answer(wrong)
        length = (b"content-length", b"%d" % len(body))
        return Answer(status, [*headers, *echoed, length], body)

    def drain(self) -> None:
        """Told by the server, once no new request comes."""
        if self._drain is not None and self._state is not None:
            self._drain(self._state)

    def _find(self, path: str) -> tuple[dict[str, Handler], str]:
        for prefix, suffix, handlers in self._branches:
            if path.endswith(suffix) and path.startswith(prefix):
                param = path[len(prefix) : len(path) - len(suffix)]
                if param and "/" not in param:
                    return handlers, param
        handlers = self._exact.get(path)
        if handlers is None:
            raise errors.NotFound("There is nothing at this path.")
        return handlers, ""

    def _add(self, route: Route) -> None:
        prefix, parameter, rest = route.path.partition("{")
        if not parameter:
            self._exact.setdefault(route.path, {})[route.method] = route.handler
            return
        suffix = rest.partition("}")[2]
        for branch in self._branches:
            if (branch.prefix, branch.suffix) == (prefix, suffix):
                branch.handlers[route.method] = route.handler
                return
        self._branches.append(_Branch(prefix, suffix, {route.method: route.handler}))

    def _own_routes(self) -> tuple[Route, ...]:
        return (
            Route("GET", "/healthz", self._alive),
            Route("GET", "/readyz", self._is_ready),
            Route("GET", "/openapi.json", self._describe),
        )

    async def _alive(self, request: Request) -> object:
        return {"alive": True}

    async def _is_ready(self, request: Request) -> object:
        if not await self._ready(request.state):
            raise errors.Unavailable("This function is not ready yet.", retry_after=1)
        return {"ready": True}

    async def _describe(self, request: Request) -> object:
        if self._description is None:
            self._description = msgspec.json.encode(self._openapi())
        return self._description

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        started = False
        try:
            async with self._lifespan() as self._state:
                await send({"type": "lifespan.startup.complete"})
                started = True
                await receive()
        except Exception as wrong:
            phase = "shutdown" if started else "startup"
            await send({"type": f"lifespan.{phase}.failed", "message": repr(wrong)})
            raise
        await send({"type": "lifespan.shutdown.complete"})


async def _stream(stream: Stream, request: Request, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": stream.headers})
    if request.method == "HEAD":
        await send({"type": "http.response.body", "body": b""})
        return
    pump = asyncio.create_task(_pump(stream.pieces, send))
    gone = asyncio.create_task(request.gone())
    try:
        await asyncio.wait((pump, gone), return_when=asyncio.FIRST_COMPLETED)
    finally:
        pump.cancel()
        gone.cancel()
        await asyncio.gather(pump, gone, return_exceptions=True)
        await stream.pieces.aclose()


async def _pump(pieces: AsyncGenerator[bytes], send: Send) -> None:
    """What fails once an answer has begun can only break it off."""
    try:
        async for piece in pieces:
            async with asyncio.timeout(PIECE_SECONDS):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    except Exception as wrong:  # noqa: BLE001 - the boundary
        answers.log(wrong)


def _identify(request: Request) -> answers.Headers:
    """Takes over the caller's request id and trace; returns the headers that echo them."""
    request_id = trace.accept_request_id(request.header(b"x-request-id"))
    trace.request_id.set(request_id)
    echoed = (b"x-request-id", request_id.encode())
    given = request.header(b"traceparent")
    if given is None:
        return [echoed]
    parent = trace.accept(given)
    trace.parent.set(parent)
    return [echoed, _echo(parent)]


# A trainer says the same with each of its heartbeats.
@lru_cache(maxsize=4096)
def _echo(parent: trace.TraceParent) -> tuple[bytes, bytes]:
    return b"traceparent", str(parent).encode()


def _head(method: str, handlers: dict[str, Handler]) -> Handler:
    if method == "HEAD" and "GET" in handlers:
        return handlers["GET"]
    raise errors.MethodNotAllowed([*handlers, *(["HEAD"] if "GET" in handlers else [])])


def _too_large(limit: int) -> errors.TooLarge:
    return errors.TooLarge(f"The request body is larger than {limit} bytes.")
