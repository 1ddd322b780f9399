"""The short way of small POSTs: whatever is sent, what is heard is what uvicorn's own way says."""

import asyncio
import re
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import pytest

from common import asgi, protocol
from tests.asgi import listening

UVICORN, OURS = "httptools", asgi.App.http
PATIENCE = 10
VARYING = re.compile(rb"(date: |x-request-id: (?!mine)|Quote request )[^\r\n.\"]+")


@dataclass
class Site:
    """An application on a socket, and what its handlers did."""

    address: str = ""
    done: list[bytes] = field(default_factory=list)
    entered: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)

    def app(self) -> asgi.App:
        @asynccontextmanager
        async def lifespan() -> AsyncGenerator[None]:
            yield

        async def ready(state: None) -> bool:
            return True

        async def echo(request: asgi.Request) -> object:
            said = {"param": request.param, "query": request.query, "method": request.method}
            return {**said, "headers": request.headers}

        async def read(request: asgi.Request) -> object:
            body = await request.body()
            await asyncio.sleep(0.001)
            return {"length": len(body), "ends": body[-8:].decode()}

        async def wait(request: asgi.Request) -> object:
            body = await request.body()
            self.entered.set()
            await self.go_on.wait()
            self.done.append(body)
            self.left.set()
            return {}

        async def crash(request: asgi.Request) -> object:
            raise RuntimeError("secret")

        routes = [
            asgi.Route("POST", "/echo/{it}", echo),
            asgi.Route("GET", "/echo/{it}", echo),
            asgi.Route("POST", "/read", read),
            asgi.Route("POST", "/wait", wait),
            asgi.Route("POST", "/crash", crash),
        ]
        return asgi.App(routes, lifespan=lifespan, ready=ready, openapi=dict)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, _, port = self.address.removeprefix("http://").partition(":")
        return await asyncio.open_connection(host, int(port))

    async def say(self, pieces: Iterable[bytes], *, pause: float = 0.02) -> bytes:
        """All that comes back, once the server closes; the last piece asks it to."""
        reader, writer = await self.connect()
        for piece in pieces:
            with suppress(ConnectionError):
                writer.write(piece)
                await writer.drain()
            await asyncio.sleep(pause)
        heard = await asyncio.wait_for(reader.read(), PATIENCE)
        writer.close()
        return heard


@asynccontextmanager
async def serving(http: str, *, keep_alive: float = 5) -> AsyncGenerator[Site]:
    site = Site()
    async with listening(site.app(), http, keep_alive=keep_alive) as site.address:
        yield site


def post(path: str, body: bytes = b"{}", *headers: str, length: int | None = None) -> bytes:
    length = len(body) if length is None else length
    lines = [f"POST {path} HTTP/1.1", "host: it", f"content-length: {length}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


LAST = b"GET /healthz HTTP/1.1\r\nhost: it\r\nconnection: close\r\n\r\n"
TRACE = f"traceparent: 00-{'a' * 32}-{'b' * 16}-01"
CHUNKED = (
    b"POST /read HTTP/1.1\r\nhost: it\r\ntransfer-encoding: chunked\r\n\r\n"
    b"4\r\nabcd\r\n3\r\nefg\r\n0\r\n\r\n"
)
SAID: dict[str, list[bytes]] = {
    "a small one": [post("/read", b"x" * 300), LAST],
    "headers of its own": [post("/echo/it", b"{}", "X-Request-Id: mine", TRACE, "X-It: 1"), LAST],
    "nothing in it": [post("/read", b""), LAST],
    "one byte at a time": [*(bytes([b]) for b in post("/read", b"abc")), LAST],
    "the body later": [post("/read", b"", length=5), b"ab", b"cde", LAST],
    "two at once": [post("/read", b"one") + post("/read", b"two"), LAST],
    "all at once": [post("/read", b"one") + post("/read", b"two") + LAST],
    "one before another kind": [
        post("/read", b"a") + b"GET /echo/x HTTP/1.1\r\nhost: it\r\n\r\n",
        LAST,
    ],
    "one after another kind": [
        b"GET /echo/x HTTP/1.1\r\nhost: it\r\n\r\n" + post("/read", b"a"),
        LAST,
    ],
    "many in a row": [*(post("/read", b"%d" % n) for n in range(9)), LAST],
    "just small": [post("/read", b"x" * protocol.SMALL), LAST],
    "not small": [post("/read", b"x" * (protocol.SMALL + 1)), LAST],
    "in many pieces": [post("/read", b"", length=200_000), b"x" * 100_000, b"y" * 100_000, LAST],
    "too much": [post("/read", b"", length=asgi.BODY_LIMIT + 1)],
    "chunks": [CHUNKED, LAST],
    "asks first": [post("/read", b"", "expect: 100-continue", length=3), b"abc", LAST],
    "the last": [post("/read", b"x", "connection: close")],
    "of an older protocol": [b"POST /read HTTP/1.0\r\ncontent-length: 2\r\n\r\n{}"],
    "a query": [post("/echo/it?a=1&b=%20"), LAST],
    "an escaped path": [post("/echo/%C3%A9"), LAST],
    "nobody there": [post("/nowhere"), LAST],
    "another method": [b"PUT /read HTTP/1.1\r\nhost: it\r\ncontent-length: 2\r\n\r\n{}", LAST],
    "a crash": [post("/crash"), LAST],
    "an upgrade": [post("/read", b"ab", "connection: upgrade", "upgrade: h2c"), LAST],
    "a length and chunks": [post("/read", b"", "transfer-encoding: chunked", length=2), b"2\r\nab"],
    "two lengths": [post("/read", b"ab", "content-length: 3")],
    "no length": [post("/read", b"", "x: y").replace(b"content-length: 0", b"content-length: x")],
    "no HTTP": [b"what is this\r\n\r\n"],
    "a body that ends early": [post("/read", b"ab", length=1), LAST],
}


@pytest.mark.parametrize("name", SAID)
async def test_is_answered_as_by_uvicorn(name: str) -> None:
    heard = {}
    for http in (UVICORN, OURS):
        async with serving(http) as site:
            heard[http] = VARYING.sub(rb"\1...", await site.say(SAID[name]))
    assert heard[OURS] == heard[UVICORN]
    assert heard[OURS].startswith(b"HTTP/1.1 ")


async def test_takes_the_short_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or the comparison above would compare uvicorn with itself."""
    taken: list[bytes] = []
    run = protocol.Exchange.run

    async def noted(exchange: protocol.Exchange) -> None:
        taken.append(exchange.body)
        await run(exchange)

    monkeypatch.setattr(protocol.Exchange, "run", noted)
    async with serving(OURS) as site:
        await site.say([post("/read", b"short"), post("/read", b"x" * 40_000), LAST])
    assert taken == [b"short"]


@pytest.mark.parametrize("http", [UVICORN, OURS])
class TestWhoeverLeaves:
    async def test_before_the_body_ends_has_said_nothing(self, http: str) -> None:
        async with serving(http) as site:
            _, writer = await site.connect()
            writer.write(post("/wait", b"half", length=9))
            await writer.drain()
            writer.close()
            assert b"alive" in await site.say([LAST])
            assert not site.entered.is_set()

    async def test_before_the_answer_was_heard_all_the_same(self, http: str) -> None:
        async with serving(http) as site:
            _, writer = await site.connect()
            writer.write(post("/wait", b"whole"))
            await asyncio.wait_for(site.entered.wait(), PATIENCE)
            writer.close()
            assert b"alive" in await site.say([LAST])
            site.go_on.set()
            await asyncio.wait_for(site.left.wait(), PATIENCE)
            assert site.done == [b"whole"]


@pytest.mark.parametrize("http", [UVICORN, OURS])
async def test_an_answer_under_way_is_waited_for_at_the_end(http: str) -> None:
    async with serving(http) as site:
        reader, writer = await site.connect()
        writer.write(post("/wait", b"late"))
        await asyncio.wait_for(site.entered.wait(), PATIENCE)
        asyncio.get_running_loop().call_later(0.3, site.go_on.set)
    heard = await asyncio.wait_for(reader.read(), PATIENCE)
    writer.close()
    assert heard.startswith(b"HTTP/1.1 200 OK")
    assert site.done == [b"late"]


QUIET = 0.8


@pytest.mark.parametrize("http", [UVICORN, OURS])
class TestAConnection:
    async def test_ends_once_nothing_was_said_for_a_while(self, http: str) -> None:
        async with serving(http, keep_alive=QUIET) as site:
            reader, writer = await site.connect()
            for _ in range(3):
                await asyncio.sleep(QUIET * 0.6)
                await ask(reader, writer)
            began = asyncio.get_running_loop().time()
            assert await asyncio.wait_for(reader.read(), PATIENCE) == b""
            assert asyncio.get_running_loop().time() - began >= QUIET * 0.9
            writer.close()

    async def test_does_not_end_over_what_is_being_said(self, http: str) -> None:
        async with serving(http, keep_alive=QUIET) as site:
            reader, writer = await site.connect()
            await ask(reader, writer)
            whole = post("/read", b"abc")
            for piece in (whole[:20], whole[20:-1]):
                writer.write(piece)
                await asyncio.sleep(QUIET * 1.5)
            await ask(reader, writer, whole[-1:])
            writer.close()

    async def test_does_not_end_over_an_answer_under_way(self, http: str) -> None:
        async with serving(http, keep_alive=QUIET) as site:
            reader, writer = await site.connect()
            await ask(reader, writer)
            asyncio.get_running_loop().call_later(QUIET * 2.5, site.go_on.set)
            await ask(reader, writer, post("/wait", b"slow"))
            writer.close()


async def ask(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, said: bytes = post("/read")
) -> None:
    writer.write(said)
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE)
    assert head.startswith(b"HTTP/1.1 200 OK")
    await reader.readexactly(int(head.partition(b"content-length: ")[2].split(b"\r\n")[0]))
