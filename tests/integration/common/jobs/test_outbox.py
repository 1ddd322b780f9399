"""Rules 21 and 22: what a broker may do to events, over real HTTP, and what stays true."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Literal
from uuid import UUID

import asyncpg
import pytest
import pytest_asyncio

from common.events import Event, Publisher, parse
from common.jobs import outbox
from common.jobs.state import Status
from tests.jobs import NOW, make_job
from tests.kubernetes import until

Behaviour = Literal["takes", "refuses", "is silent", "forgets to answer"]
PATIENCE = 1.0
SOON = timedelta(seconds=6)


class Broker:
    """A few lines of HTTP that keep what they take and behave as they are told."""

    def __init__(self) -> None:
        self.behaviour: Behaviour = "takes"
        self.taken: list[Event] = []

    async def start(self, port: int = 0) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port)
        self.port: int = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def has_any(self) -> bool:
        return bool(self.taken)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._answer(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[1:-2]
        headers = {k.lower(): v for k, _, v in (line.partition(": ") for line in head)}
        body = await reader.readexactly(int(headers["content-length"]))
        if self.behaviour in ("takes", "forgets to answer"):
            self.taken.append(parse(headers, body))
        if self.behaviour == "is silent":
            await asyncio.sleep(2 * PATIENCE)
        status = b"500 No" if self.behaviour == "refuses" else b"202 Accepted"
        answers = self.behaviour in ("takes", "refuses")
        if answers:
            writer.write(b"HTTP/1.1 " + status + b"\r\ncontent-length: 0\r\n\r\n")
            await writer.drain()
        return answers


@pytest_asyncio.fixture
async def broker() -> AsyncIterator[Broker]:
    made = Broker()
    await made.start()
    yield made
    await made.stop()


@pytest_asyncio.fixture
async def publisher(broker: Broker) -> AsyncIterator[Publisher]:
    made = Publisher(f"http://127.0.0.1:{broker.port}/", timeout=PATIENCE)
    yield made
    await made.close()


async def ids(pool: asyncpg.Pool, *, published: bool) -> list[str]:
    rows = await pool.fetch(
        "select id from job_events where (published_at is not null) = $1 order by sequence",
        published,
    )
    return [str(row["id"]) for row in rows]


class TestOutbox:
    @pytest.mark.parametrize("behaviour", ["refuses", "is silent", "forgets to answer"])
    async def test_sends_again_with_the_same_id_what_is_not_known_to_be_taken(
        self, pool: asyncpg.Pool, broker: Broker, publisher: Publisher, behaviour: Behaviour
    ) -> None:
        await make_job(pool)
        all_of_them = await ids(pool, published=False)
        broker.behaviour = behaviour
        assert await outbox.publish_events(pool, publisher.publish, now=NOW) == 0
        assert await ids(pool, published=False) == all_of_them

        broker.behaviour = "takes"
        too_soon = await outbox.publish_events(pool, publisher.publish, now=NOW)
        later = await outbox.publish_events(pool, publisher.publish, now=NOW + SOON)

        assert (too_soon, later) == (0, len(all_of_them))
        times = 2 if behaviour == "forgets to answer" else 1
        assert [event.id for event in broker.taken] == all_of_them * times
        assert await ids(pool, published=True) == all_of_them

    async def test_outlives_a_broker_that_is_away(
        self, pool: asyncpg.Pool, broker: Broker, publisher: Publisher
    ) -> None:
        await make_job(pool)
        await broker.stop()
        assert await outbox.publish_events(pool, publisher.publish, now=NOW) == 0
        await broker.start(broker.port)

        assert await outbox.publish_events(pool, publisher.publish, now=NOW + SOON) == 1
        assert [event.id for event in broker.taken] == await ids(pool, published=True)

    async def test_is_emptied_once_by_many_at_once(
        self, pool: asyncpg.Pool, broker: Broker, publisher: Publisher
    ) -> None:
        for _ in range(5):
            await make_job(pool, Status.SUCCEEDED)

        sent = await asyncio.gather(
            *(outbox.publish_events(pool, publisher.publish, now=NOW) for _ in range(6))
        )

        assert sum(sent) == len(broker.taken) == 20
        assert len({event.id for event in broker.taken}) == 20

    async def test_is_sent_by_the_next_when_a_sender_dies_before_it_noted_it(
        self, pool: asyncpg.Pool, broker: Broker, publisher: Publisher
    ) -> None:
        await make_job(pool)
        sending = asyncio.create_task(
            outbox.publish_events(pool, _and_then_hang(publisher.publish), now=NOW)
        )
        await until(broker.has_any)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)

        assert await outbox.publish_events(pool, publisher.publish, now=NOW + SOON) == 1
        first, second = broker.taken
        assert first == second

    async def test_sends_what_came_while_it_was_sending(
        self, pool: asyncpg.Pool, broker: Broker, publisher: Publisher
    ) -> None:
        sender = outbox.Outbox(pool, publisher.publish, lambda: NOW)
        written: list[str] = []
        for _ in range(4):
            await make_job(pool)
            fresh = [event for event in await ids(pool, published=False) if event not in written]
            written += fresh
            sender.send_soon([UUID(event) for event in fresh])

        await sender.close(grace=30)

        assert sorted(event.id for event in broker.taken) == sorted(written)
        assert sorted(await ids(pool, published=True)) == sorted(written)

    async def test_carries_each_jobs_numbers_in_order_and_without_gap(
        self, pool: asyncpg.Pool, broker: Broker, publisher: Publisher
    ) -> None:
        jobs = {str(await make_job(pool, Status.SUCCEEDED)) for _ in range(3)}

        await outbox.publish_events(pool, publisher.publish, now=NOW)

        for job_id in jobs:
            mine = [event for event in broker.taken if event.subject == job_id]
            assert [event.extensions["sequence"] for event in mine] == ["1", "2", "3", "4"]
            assert {event.extensions["partitionkey"] for event in mine} == {job_id}


def _and_then_hang(
    publish: Callable[[Event], Awaitable[bool]],
) -> Callable[[Event], Awaitable[bool]]:
    async def send(event: Event) -> bool:
        await publish(event)
        await asyncio.Event().wait()
        return True

    return send
