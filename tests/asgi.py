"""A function's application, started and stopped as its server would, and a client for it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Generator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import uvicorn


@asynccontextmanager
async def serving(app: Any) -> AsyncIterator[httpx.AsyncClient]:
    """Runs the application's lifespan; errors that escape it fail the test."""
    said: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
    life = asyncio.create_task(app(scope, said.get, heard.put))
    await said.put({"type": "lifespan.startup"})
    started = await heard.get()
    assert started["type"] == "lifespan.startup.complete", started
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://function") as client:
        yield client
    await said.put({"type": "lifespan.shutdown"})
    stopped = await heard.get()
    assert stopped["type"] == "lifespan.shutdown.complete", stopped
    await life


class _Server(uvicorn.Server):
    """Signals are the test run's business."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


@asynccontextmanager
async def listening(
    app: Any, http: str | None = None, *, keep_alive: float = 5
) -> AsyncIterator[str]:
    """The address of the application on a socket, for what a client in memory cannot do: read an
    answer while it is still being made."""
    config = uvicorn.Config(
        app,
        port=0,
        http=http or app.http,
        proxy_headers=False,
        log_config=None,
        timeout_graceful_shutdown=5,
        timeout_keep_alive=keep_alive,
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        assert not serving.done()
        await asyncio.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    app.drain()
    server.should_exit = True
    await serving
