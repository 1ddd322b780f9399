"""The connection for long answers, to a server that closes when it likes."""

import asyncio
import gc
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncGenerator

import httpx
import pytest_asyncio

from common.launch.transport import Transport

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n%s\r\n{}"


class Server:
    """Answers so often over one connection; with the last answer it says that it was the last, and
    leaves the closing to whoever asked."""

    def __init__(self) -> None:
        self.answers = 1
        self.connections = 0
        self.ended = asyncio.Event()

    async def serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        self.connections += 1
        self.ended.clear()
        for left in reversed(range(self.answers)):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(ANSWER % (b"" if left else b"connection: close\r\n"))
            await writer.drain()
        await reader.read()
        writer.close()
        await writer.wait_closed()
        self.ended.set()


@pytest_asyncio.fixture
async def server() -> AsyncGenerator[tuple[Server, httpx.AsyncClient]]:
    made = Server()
    listening = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    host, port = listening.sockets[0].getsockname()
    async with httpx.AsyncClient(base_url=f"http://{host}:{port}", transport=Transport()) as client:
        yield made, client
    await asyncio.wait_for(made.ended.wait(), 30)
    listening.close()
    await listening.wait_closed()


class TestTransport:
    async def test_keeps_its_connection(self, server: tuple[Server, httpx.AsyncClient]) -> None:
        made, client = server
        made.answers = 3
        for _ in range(3):
            assert (await client.get("/")).json() == {}
        assert made.connections == 1

    async def test_closes_the_one_that_is_not_kept_before_it_opens_another(
        self, server: tuple[Server, httpx.AsyncClient]
    ) -> None:
        made, client = server
        for _ in range(3):
            assert (await client.get("/")).json() == {}
        assert made.connections == 3
        gc.collect()
