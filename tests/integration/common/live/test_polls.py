"""What watching costs Postgres: one poll for all, nothing where nobody watches."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID

import asyncpg
import pytest

from common.jobs.reading import Filter
from common.jobs.state import Status, Trigger
from common.live.jobs import WatchedJobs, place_of
from common.live.lists import WatchedLists
from common.live.news import Stand
from common.live.watcher import Watcher
from common.postgres import statements
from tests.jobs import PROJECT, make_job
from tests.kubernetes import until
from tests.watching import beat, change

BEATS = timedelta(seconds=10)
NAMES = {text: name for name, text in statements().items()}


class Counting:
    """A pool that counts what it is asked."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self.asked: Counter[str] = Counter()

    async def fetch(self, query: str, *arguments: Any) -> Sequence[Any]:
        async with self.acquire() as connection:
            return await connection.fetch(query, *arguments)

    @asynccontextmanager
    async def acquire(self) -> AsyncGenerator[Any]:
        async with self._pool.acquire() as connection:
            with connection.query_logger(self._note):
                yield connection

    def _note(self, record: Any) -> None:
        if record.query in NAMES:
            self.asked[NAMES[record.query]] += 1


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def counting(pool: asyncpg.Pool) -> Counting:
    return Counting(pool)


@pytest.fixture
def jobs(counting: Counting) -> WatchedJobs:
    return WatchedJobs(cast("asyncpg.Pool", counting), BEATS, now)


async def watch(jobs: WatchedJobs, job_id: UUID) -> Watcher:
    row = await jobs.find(job_id)
    assert row is not None
    watcher = Watcher()
    jobs.join(watcher, Stand(job_id, place_of(row, None)), row)
    return watcher


async def told(watcher: Watcher, event: str) -> None:
    end = asyncio.get_running_loop().time() + 60
    while True:
        message = await watcher.next(end)
        assert message is not None
        if message.event == event:
            return


async def until_quiet(counting: Counting) -> None:
    """Two looks half a second apart find that nothing was asked in between."""

    async def quiet() -> bool:
        before = counting.asked.total()
        await asyncio.sleep(0.5)
        return counting.asked.total() == before

    await until(quiet, seconds=60)


class TestWatchedJobs:
    async def test_are_read_by_three_statements_however_many(
        self, pool: asyncpg.Pool, counting: Counting, jobs: WatchedJobs
    ) -> None:
        made = [await make_job(pool, Status.RUNNING) for _ in range(20)]
        watchers = [await watch(jobs, job_id) for job_id in made for _ in range(2)]
        counting.asked.clear()
        for job_id in made:
            await beat(pool, job_id, 1)
        for watcher in watchers:
            await told(watcher, "points")
        await jobs.close()
        asked = counting.asked
        assert set(asked) == {"watch_jobs", "watch_timelines", "watch_heartbeats"}
        # One that was under way when the counting began is counted by half.
        assert max(asked["watch_timelines"], asked["watch_heartbeats"]) <= asked["watch_jobs"] + 1

    async def test_of_which_none_changed_are_read_by_one(
        self, pool: asyncpg.Pool, counting: Counting, jobs: WatchedJobs
    ) -> None:
        watcher = await watch(jobs, await make_job(pool))
        await told(watcher, "change")
        seen = counting.asked["watch_timelines"]
        polls = counting.asked["watch_jobs"]

        async def polled() -> bool:
            return counting.asked["watch_jobs"] > polls + 5

        await until(polled, seconds=60)
        await jobs.close()
        assert counting.asked["watch_timelines"] <= seen + 1

    async def test_are_not_read_when_nobody_watches(
        self, pool: asyncpg.Pool, counting: Counting, jobs: WatchedJobs
    ) -> None:
        job_id = await make_job(pool)
        watcher = await watch(jobs, job_id)
        await told(watcher, "change")
        jobs.leave(watcher, job_id)
        await until_quiet(counting)
        again = await watch(jobs, job_id)
        await told(again, "change")
        jobs.leave(again, job_id)
        await jobs.close()

    async def test_are_told_to_a_late_watcher_from_its_own_place(
        self, pool: asyncpg.Pool, jobs: WatchedJobs
    ) -> None:
        job_id = await make_job(pool)
        early = await watch(jobs, job_id)
        await told(early, "change")
        await change(pool, job_id, Trigger.ALIVE)
        await told(early, "change")
        late = await watch(jobs, job_id)
        end = asyncio.get_running_loop().time() + 60
        first = await late.next(end)
        assert first is not None
        assert first.change == 1
        await jobs.close()


class TestWatchedLists:
    async def test_are_read_by_a_statement_each_and_their_jobs_by_one(
        self, pool: asyncpg.Pool, counting: Counting
    ) -> None:
        lists = WatchedLists(cast("asyncpg.Pool", counting), BEATS, now)
        job_id = await make_job(pool)
        watchers: list[Watcher] = []
        for size in (1, 5, 10, 50):
            watchers.append(Watcher())
            lists.join(watchers[-1], Filter([PROJECT]), size)
        for watcher in watchers:
            await told(watcher, "page")
        await change(pool, job_id, Trigger.ALIVE)
        for watcher in watchers:
            await told(watcher, "job")
        await lists.close()
        asked = counting.asked
        assert set(asked) == {"plan_for_these_values", "watch_list", "watch_jobs"}
        assert asked["watch_list"] <= 4 * asked["plan_for_these_values"]
        assert asked["watch_jobs"] <= asked["plan_for_these_values"]

    async def test_are_not_read_when_nobody_watches(
        self, pool: asyncpg.Pool, counting: Counting
    ) -> None:
        lists = WatchedLists(cast("asyncpg.Pool", counting), BEATS, now)
        watcher = Watcher()
        key = lists.join(watcher, Filter([PROJECT]), 5)
        await told(watcher, "page")
        lists.leave(watcher, key)
        await until_quiet(counting)
        await lists.close()
