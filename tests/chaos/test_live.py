"""A stream is cut five times and Postgres is killed once, while a job changes all the time: whoever
watches is told every state change once, in order."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg
import httpx
import pytest

from common.jobs.state import Status, Trigger
from tests.catalogue import bearer
from tests.integration.functions.conftest import environ_of
from tests.jobs import apply, intent_of, make_job
from tests.kubernetes import until
from tests.postgres_server import Database, PostgresServer
from tests.processes import running_function
from tests.relay import Relay
from tests.sse import Told, events, opened
from tests.watching import beat

pytestmark = pytest.mark.timeout(300)

ATTEMPTS = 30
CUTS = {4, 9, 14, 19, 24}
KILL = 12
BROKEN = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)


@pytest.fixture
def live(database: Database) -> Iterator[str]:
    with running_function("live", environ_of(database.url)) as address:
        yield address


class Watching:
    """One who watches a job to its end, as a browser does."""

    def __init__(self, address: str, job_id: UUID) -> None:
        self._address = address
        self._job_id = job_id
        self.told: list[Told] = []
        self.opened = 0
        self.said_something = False

    async def to_the_end(self) -> None:
        async with httpx.AsyncClient(base_url=self._address, timeout=60) as http:
            ended = False
            while not ended:
                ended = await self._read(http)
                await asyncio.sleep(0.05)

    async def _read(self, http: httpx.AsyncClient) -> bool:
        path = f"/llm-ops/v1/training/jobs/{self._job_id}/live"
        last = self.told[-1].id if self.told else None
        try:
            async with opened(http, path, last=last, **bearer()) as answer:
                if answer.status_code == 503:
                    return False
                assert answer.status_code == 200
                self.opened += 1
                async for each in events(answer):
                    self.told.append(each)
                    self.said_something = True
                    if each.event == "change" and each.data["to"] == "succeeded":
                        return True
        except httpx.TransportError:
            pass
        return False

    def changes(self) -> list[int]:
        lines = [each.data for each in self.told if each.event == "change"]
        return [line["sequence"] for line in lines if line["to"] is not None]

    def steps(self) -> list[int]:
        told = [each.data["points"] for each in self.told if each.event == "points"]
        return [point["step"] for points in told for point in points]


async def persist(pool: asyncpg.Pool, job_id: UUID, trigger: Trigger, attempt: int) -> None:
    """As whoever is not answered does: says it again. What was committed is refused then."""
    while True:
        try:
            await apply(pool, intent_of(job_id, trigger, attempt), datetime.now(UTC))
            return
        except BROKEN:
            await asyncio.sleep(0.1)


async def live_through(
    pool: asyncpg.Pool, job_id: UUID, meanwhile: Callable[[int], Awaitable[None]]
) -> None:
    for attempt in range(1, ATTEMPTS + 1):
        await persist(pool, job_id, Trigger.LAUNCHED, attempt)
        await persist(pool, job_id, Trigger.ALIVE, attempt)
        await meanwhile(attempt)
        if attempt < ATTEMPTS:
            await persist(pool, job_id, Trigger.FAILED_RETRYABLE, attempt)
    await persist(pool, job_id, Trigger.SUCCEEDED, ATTEMPTS)


@asynccontextmanager
async def watched(live: str, job_id: UUID) -> AsyncGenerator[tuple[Watching, Relay]]:
    """Somebody watches over a wire that can be cut; waits for the job's end on leaving."""
    address = urlsplit(live)
    relay = Relay(address.hostname or "", address.port or 0)
    await relay.start()
    watching = Watching(f"http://127.0.0.1:{relay.port}", job_id)
    watcher = asyncio.create_task(watching.to_the_end())
    try:
        async with asyncio.timeout(200):
            yield watching, relay
            await watcher
    finally:
        watcher.cancel()
        await asyncio.gather(watcher, return_exceptions=True)
        await relay.stop()


async def test_every_state_change_is_told_once_in_order(
    live: str, pool: asyncpg.Pool, postgres_server: PostgresServer
) -> None:
    job_id = await make_job(pool, max_retries=ATTEMPTS)
    async with watched(live, job_id) as (watching, relay):

        async def disturb(attempt: int) -> None:
            if attempt == KILL:
                postgres_server.kill()
            if attempt in CUTS:
                await cut(watching, relay)

        await live_through(pool, job_id, disturb)
    written = await pool.fetch("select sequence from job_events where job_id = $1", job_id)
    assert watching.changes() == list(range(1, len(written) + 1))
    assert len(written) == 3 * ATTEMPTS + 1
    assert watching.opened > len(CUTS)


async def test_every_point_is_told_once_in_order(live: str, pool: asyncpg.Pool) -> None:
    job_id = await make_job(pool, Status.RUNNING)
    async with watched(live, job_id) as (watching, relay):
        await cut(watching, relay)
        for number in range(60):
            await beat(pool, job_id, number)
            if number % 12 == 11:
                await cut(watching, relay)
        await persist(pool, job_id, Trigger.SUCCEEDED, 1)
    assert watching.steps() == list(range(60))


async def cut(watching: Watching, relay: Relay) -> None:
    """In the middle of a stream that has said something."""

    async def is_cut() -> bool:
        return watching.said_something and relay.cut() > 0

    await until(is_cut, seconds=60)
    watching.said_something = False
