import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from common import asgi, envelope, errors

TRACE = f"00-{'a' * 32}-{'b' * 16}-01"


async def beat(request: asgi.Request) -> object:
    body = await request.body(100)
    return {"job": request.param, "said": len(body), "state": request.state}


async def read(request: asgi.Request) -> object:
    return envelope.success({"query": request.query, "agent": request.header(b"user-agent")}, "ok")


async def crash(request: asgi.Request) -> object:
    raise RuntimeError("SELECT secret")


async def refuse(request: asgi.Request) -> object:
    request.bearer()
    raise errors.StaleAttempt


async def ready(state: Any) -> bool:
    return state == "pool"


def make_app() -> tuple[asgi.App, list[str]]:
    seen: list[str] = []

    @asynccontextmanager
    async def lifespan() -> AsyncGenerator[str, None]:
        seen.append("opened")
        yield "pool"
        seen.append("closed")

    routes = [
        asgi.Route("POST", "/v1/jobs/{jobId}/heartbeat", beat),
        asgi.Route("GET", "/v1/jobs/{jobId}", read),
        asgi.Route("DELETE", "/v1/jobs/{jobId}", crash),
        asgi.Route("POST", "/v1/jobs/{jobId}/done", refuse),
    ]
    described: list[str] = []

    def describe() -> dict[str, Any]:
        described.append("once")
        return {"openapi": "3.1.0", "asked": len(described)}

    return asgi.App(routes, lifespan=lifespan, ready=ready, openapi=describe), seen


class Life:
    """Speaks the lifespan protocol, as a server does."""

    def __init__(self, app: asgi.App) -> None:
        self.said: list[dict[str, Any]] = []
        self._app = app

    async def run(self, client: httpx.AsyncClient) -> AsyncGenerator[httpx.AsyncClient, None]:
        inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        outbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        task = asyncio.create_task(self._app({"type": "lifespan"}, inbox.get, outbox.put))
        await inbox.put({"type": "lifespan.startup"})
        self.said.append(await outbox.get())
        yield client
        await inbox.put({"type": "lifespan.shutdown"})
        self.said.append(await outbox.get())
        await task


@pytest.fixture
async def client() -> AsyncGenerator[httpx.AsyncClient, None]:
    app, seen = make_app()
    life = Life(app)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app), base_url="http://test"
    ) as plain:
        async for live in life.run(plain):
            assert seen == ["opened"]
            yield live
    assert seen == ["opened", "closed"]
    assert [said["type"] for said in life.said] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]


def failed(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status
    body = answer.json()
    assert set(body) == {"status", "message", "data"}
    assert (body["status"], body["data"]["code"]) == ("fail", code)
    return body


class TestARoute:
    async def test_gives_its_handler_the_parameter_and_the_state(
        self, client: httpx.AsyncClient
    ) -> None:
        answer = await client.post("/v1/jobs/j1/heartbeat", content=b"{}")
        assert answer.json()["data"] == {"job": "j1", "said": 2, "state": "pool"}

    async def test_sends_bytes_as_the_whole_body(self, client: httpx.AsyncClient) -> None:
        answer = await client.get("/v1/jobs/j1?x=1", headers={"user-agent": "me"})
        assert answer.json()["message"] == "ok"
        assert answer.json()["data"] == {"query": "x=1", "agent": "me"}

    @pytest.mark.parametrize(
        "path",
        ["/", "/v1/jobs//heartbeat", "/v1/jobs/a/b/heartbeat", "/v1/jobs/heartbeat/", "/v1/jobs/"],
    )
    async def test_takes_only_what_it_names(self, client: httpx.AsyncClient, path: str) -> None:
        failed(await client.post(path), 404, "NOT_FOUND")

    async def test_says_which_methods_it_takes(self, client: httpx.AsyncClient) -> None:
        answer = await client.put("/v1/jobs/j1")
        failed(answer, 405, "METHOD_NOT_ALLOWED")
        assert answer.headers["allow"] == "DELETE, GET, HEAD"

    async def test_answers_head_without_a_body(self, client: httpx.AsyncClient) -> None:
        answer = await client.head("/v1/jobs/j1")
        assert (answer.status_code, answer.content) == (200, b"")
        assert int(answer.headers["content-length"]) > 0


class TestABody:
    async def test_is_refused_by_its_announced_length(self, client: httpx.AsyncClient) -> None:
        answer = await client.post("/v1/jobs/j1/heartbeat", content=b"x" * 101)
        failed(answer, 413, "TOO_LARGE")

    @pytest.mark.parametrize(("chunks", "status"), [(10, 200), (11, 413)])
    async def test_is_refused_once_too_much_has_come(
        self, client: httpx.AsyncClient, chunks: int, status: int
    ) -> None:
        async def sent() -> AsyncGenerator[bytes, None]:
            for _ in range(chunks):
                yield b"x" * 10

        answer = await client.post("/v1/jobs/j1/heartbeat", content=sent())
        assert answer.status_code == status

    @pytest.mark.parametrize("length", [b"-1", b"x", b"1e9", "²".encode()])
    async def test_may_announce_its_length_wrongly(self, length: bytes) -> None:
        request = asgi.Request(
            "POST", "/", b"", {b"content-length": length}, receive=one_message(b"abc", more=False)
        )
        assert await request.body(10) == b"abc"

    async def test_that_breaks_off_is_not_answered(self) -> None:
        app, _ = make_app()
        sent: list[dict[str, Any]] = []

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": "POST",
            "path": "/v1/jobs/j1/heartbeat",
            "query_string": b"",
            "headers": [],
        }
        await app(scope, one_message(b"ab", more=True), send)
        assert sent == []


def one_message(body: bytes, *, more: bool) -> asgi.Receive:
    messages: list[dict[str, Any]] = [
        {"type": "http.disconnect"},
        {"type": "http.request", "body": body, "more_body": more},
    ]

    async def receive() -> dict[str, Any]:
        return messages.pop()

    return receive


class TestAnError:
    async def test_keeps_its_inner_workings(
        self, client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
    ) -> None:
        answer = await client.delete("/v1/jobs/j1", headers={"x-request-id": "r7"})
        body = failed(answer, 500, "INTERNAL")
        assert "SELECT" not in answer.text
        assert "r7" in body["message"]
        assert [record.levelname for record in caplog.records] == ["ERROR"]
        assert caplog.records[0].exc_info

    async def test_tells_an_old_attempt_to_stop(self, client: httpx.AsyncClient) -> None:
        answer = await client.post("/v1/jobs/j1/done", headers={"authorization": "bearer t"})
        assert failed(answer, 409, "STALE_ATTEMPT")["data"]["command"] == "stop"

    @pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic abc"])
    async def test_asks_for_a_token(self, client: httpx.AsyncClient, header: str) -> None:
        answer = await client.post("/v1/jobs/j1/done", headers={"authorization": header})
        failed(answer, 401, "UNAUTHENTICATED")
        assert answer.headers["www-authenticate"] == "Bearer"


class TestEveryAnswer:
    @pytest.mark.parametrize("path", ["/healthz", "/nowhere"])
    async def test_echoes_request_id_and_trace(self, client: httpx.AsyncClient, path: str) -> None:
        headers = {"x-request-id": "r-1", "traceparent": TRACE}
        answer = await client.get(path, headers=headers)
        assert answer.headers["x-request-id"] == "r-1"
        assert answer.headers["traceparent"] == TRACE

    async def test_replaces_what_is_not_fit_to_echo(self, client: httpx.AsyncClient) -> None:
        headers = {"x-request-id": "r" * 200, "traceparent": "nonsense"}
        answer = await client.get("/healthz", headers=headers)
        assert 8 < len(answer.headers["x-request-id"]) < 100
        assert len(answer.headers["traceparent"]) == 55


class TestHealth:
    async def test_is_told_by_its_own_paths(self, client: httpx.AsyncClient) -> None:
        assert (await client.get("/healthz")).json()["data"] == {"alive": True}
        assert (await client.get("/readyz")).json()["data"] == {"ready": True}

    async def test_is_not_ready_before_the_start(self) -> None:
        app, _ = make_app()
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://t") as client:
            answer = await client.get("/readyz")
        failed(answer, 503, "UNAVAILABLE")
        assert answer.headers["retry-after"] == "1"

    async def test_says_why_it_could_not_start(self) -> None:
        @asynccontextmanager
        async def broken() -> AsyncGenerator[None, None]:
            raise RuntimeError("no database")
            yield

        said: list[dict[str, Any]] = []

        async def send(message: dict[str, Any]) -> None:
            said.append(message)

        app = asgi.App([], lifespan=broken, ready=ready, openapi=dict)
        with pytest.raises(RuntimeError, match="no database"):
            await app({"type": "lifespan"}, one_message(b"", more=False), send)
        assert [message["type"] for message in said] == ["lifespan.startup.failed"]


class TestTheDescription:
    async def test_is_computed_once(self, client: httpx.AsyncClient) -> None:
        for _ in range(2):
            answer = await client.get("/openapi.json")
            assert answer.json() == {"openapi": "3.1.0", "asked": 1}
