"""Long answers over real sockets: whole, or refused."""

import asyncio
import tracemalloc
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx
import pytest

from common.launch.transport import Transport

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]
PARTS = [b"x" * 70_000, b"y", b"z" * 500_000]
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"


class Server:
    """Answers each request as told, and remembers over which connection it came."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.asked: list[int] = []
        self.heads: list[bytes] = []
        self.bodies = dict[asyncio.StreamWriter, bytes]()
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number = self.connections
        try:
            while not writer.is_closing():
                self.heads.append(await reader.readuntil(b"\r\n\r\n"))
                self.bodies[writer] = await reader.readexactly(_length(self.heads[-1]))
                self.asked.append(number)
                await self._answer(writer)
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass
        finally:
            writer.close()


def _length(head: bytes) -> int:
    lines = head.lower().split(b"\r\n")
    return next((int(line[16:]) for line in lines if line.startswith(b"content-length: ")), 0)


@asynccontextmanager
async def asking(
    answer: Answer, patience: float = 30
) -> AsyncGenerator[tuple[Server, httpx.AsyncClient]]:
    server = Server(answer)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    transport = Transport(patience=patience)
    async with listening, httpx.AsyncClient(base_url=address, transport=transport) as client:
        yield server, client


async def in_chunks(writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD + b"transfer-encoding: chunked\r\n\r\n")
    for part in PARTS:
        writer.write(b"%x\r\n%b\r\n" % (len(part), part))
        await writer.drain()
    writer.write(b"0\r\n\r\n")


async def at_once(writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD + b"content-length: 2\r\n\r\n{}")


async def and_close(writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD + b"connection: close\r\ncontent-length: 2\r\n\r\n{}")
    writer.close()


async def until_closed(writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD + b"\r\n{}")
    writer.close()


async def half(writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD + b"content-length: 200\r\n\r\n{}")
    writer.close()


async def nonsense(writer: asyncio.StreamWriter) -> None:
    writer.write(b"what?\r\n\r\n")


async def never(writer: asyncio.StreamWriter) -> None:
    await writer.drain()


class TestTransport:
    async def test_puts_an_answer_together_that_comes_in_chunks(self):
        async with asking(in_chunks) as (_, client), client.stream("GET", "/a?b=c") as answer:
            assert b"".join([part async for part in answer.aiter_raw()]) == b"".join(PARTS)

    async def test_asks_as_it_is_told(self):
        async with asking(at_once) as (server, client):
            await client.get("/a", params={"b": "c d"}, headers={"authorization": "Bearer t"})
            assert server.heads[0].startswith(b"GET /a?b=c+d HTTP/1.1\r\n")
            assert b"\r\nauthorization: bearer t\r\n" in server.heads[0].lower()

    async def test_keeps_its_connection(self):
        async with asking(at_once) as (server, client):
            for _ in range(3):
                assert (await client.get("/")).json() == {}
            assert server.asked == [1, 1, 1]

    async def test_opens_as_many_as_are_asked_at_once_and_keeps_them(self):
        async with asking(at_once) as (server, client):
            for _ in range(3):
                answers = await asyncio.gather(*(client.get("/") for _ in range(5)))
                assert [answer.json() for answer in answers] == [{}] * 5
            assert server.connections == 5

    async def test_sends_what_it_is_given(self):
        async with asking(at_once) as (server, client):
            for content in (b"{}", b"", b"x" * 300_000):
                await client.post("/", content=content)
                assert [*server.bodies.values()] == [content]

    async def test_opens_another_connection_where_the_last_was_closed(self):
        async with asking(and_close) as (server, client):
            for _ in range(3):
                assert (await client.get("/")).status_code == 200
            assert server.asked == [1, 2, 3]

    async def test_takes_the_end_of_the_connection_for_that_of_an_answer_without_a_length(self):
        async with asking(until_closed) as (server, client):
            for _ in range(2):
                assert (await client.get("/")).json() == {}
            assert server.asked == [1, 2]

    async def test_asks_again_where_a_kept_connection_closes_without_a_word(self):
        answered: set[asyncio.StreamWriter] = set()

        async def once(writer: asyncio.StreamWriter) -> None:
            if writer in answered:
                writer.close()
            else:
                answered.add(writer)
                await at_once(writer)

        async with asking(once) as (server, client):
            for _ in range(2):
                assert (await client.get("/")).status_code == 200
            assert server.asked == [1, 1, 2]

    @pytest.mark.parametrize("answer", [half, nonsense])
    async def test_refuses_what_is_no_whole_answer(self, answer: Answer):
        async with asking(answer) as (server, client):
            for _ in range(2):
                with pytest.raises(httpx.TransportError):
                    await client.get("/")
            assert server.asked == [1, 2]

    async def test_loses_patience(self):
        async with asking(never, patience=0.05) as (_, client):
            with pytest.raises(httpx.ReadTimeout):
                await client.get("/")

    @pytest.mark.parametrize("end", [1, 100_000, 500_001, 10**6])
    async def test_keeps_the_end_of_an_answer(self, end: int):
        asked = {"end": end}
        async with (
            asking(in_chunks) as (_, client),
            client.stream("GET", "/", extensions=asked) as answer,
        ):
            held = b"".join([part async for part in answer.aiter_raw()])
        assert held[-end:] == b"".join(PARTS)[-end:]
        assert len(held) <= end + end // 4

    async def test_holds_no_more_of_a_long_answer_than_that(self):
        async def lines(writer: asyncio.StreamWriter) -> None:
            writer.write(HEAD + b"transfer-encoding: chunked\r\n\r\n")
            for number in range(200_000):
                writer.write(b"64\r\n%0100d\r\n" % number)
                if number % 1_000 == 0:
                    await writer.drain()
            writer.write(b"0\r\n\r\n")

        tracemalloc.start()
        try:
            async with asking(lines) as (_, client):
                asked = {"end": 100_000}
                async with client.stream("GET", "/", extensions=asked) as answer:
                    held = b"".join([part async for part in answer.aiter_raw()])
            most = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert held.endswith(b"%0100d" % 199_999)
        assert most < 4_000_000

    async def test_waits_for_each_part_of_what_it_wants_the_end_of(self):
        async def slowly(writer: asyncio.StreamWriter) -> None:
            writer.write(HEAD + b"content-length: 8\r\n\r\n")
            for _ in range(8):
                await asyncio.sleep(0.1)
                writer.write(b"x")

        async with asking(slowly, patience=0.4) as (_, client):
            assert (await client.get("/", extensions={"end": 4})).content[-4:] == b"xxxx"
            with pytest.raises(httpx.ReadTimeout):
                await client.get("/")

    async def test_minds_nothing_that_comes_after_the_end(self, caplog: pytest.LogCaptureFixture):
        async def and_more(writer: asyncio.StreamWriter) -> None:
            await at_once(writer)
            await asyncio.sleep(0.05)
            writer.write(HEAD + b"content-length: 0\r\n\r\n")

        async with asking(and_more) as (_, client):
            assert (await client.get("/", extensions={"end": 4})).content == b"{}"
            await asyncio.sleep(0.2)
            assert (await client.get("/")).content == b"{}"
        assert not caplog.records

    async def test_loses_patience_with_an_end_that_does_not_come(self):
        async def stop(writer: asyncio.StreamWriter) -> None:
            writer.write(HEAD + b"content-length: 8\r\n\r\nx")

        async with asking(stop, patience=0.1) as (_, client):
            with pytest.raises(httpx.ReadTimeout):
                await client.get("/", extensions={"end": 4})

    async def test_says_so_where_nobody_listens(self):
        async with httpx.AsyncClient(transport=Transport()) as client:
            with pytest.raises(httpx.TransportError):
                await client.get("http://127.0.0.1:9/")
