"""What was measured, drawn and packed: nothing is lost on the way, and nothing counted twice."""

import asyncio
import json
import math
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from common.jobs.course import Course, Point, Wanted, read_course
from common.jobs.overview import read_overview
from common.jobs.state import Status, Trigger
from common.postgres import snapshot, statement
from common.sync import archive
from tests.integration.common.jobs.test_lists import nodes
from tests.jobs import NOW, apply, intent_of, make_job
from tests.kubernetes import until
from tests.postgres_server import CLONE, Database

SOON = NOW + timedelta(hours=1)
NEXT_DAY = NOW + timedelta(days=2)
DAY = timedelta(days=1)

PROGRAM = """
import asyncio, sys
from datetime import datetime, timedelta
from common import postgres
from common.settings import Database
from common.sync import archive

async def main():
    pool = await postgres.open_pool(Database(url=sys.argv[1]))
    now = datetime.fromisoformat(sys.argv[2])
    while await archive.draw(pool, now=now):
        pass
    while await archive.pack_due(pool, now=now, before=now - timedelta(days=1)):
        pass

asyncio.run(main())
"""


async def tell(
    pool: asyncpg.Pool, job_id: UUID, count: int, *, first: int = 0, attempt: int = 1
) -> None:
    """Heartbeats with two series each, one of them point by point, with a spike and a NaN."""
    numbers = range(first, first + count)
    await pool.execute(
        "insert into heartbeats select $1, $2, n, $3::timestamptz + n * interval '1 second',"
        " body::jsonb from unnest($4::bigint[], $5::text[]) as told (n, body)",
        job_id,
        attempt,
        NOW,
        list(numbers),
        [json.dumps(_body(n)) for n in numbers],
    )
    await pool.execute(
        "update beats set sequence = $2, body = $3 where job_id = $1",
        job_id,
        numbers[-1],
        _body(numbers[-1]),
    )


def _body(n: int) -> dict[str, Any]:
    loss = "NaN" if n == 700 else 1e6 if n == 500 else math.sin(n)
    points = [{"name": "lr", "value": n + k / 10, "step": 10 * n + k} for k in range(10)]
    return {"sequence": n, "step": n, "metrics": {"loss": loss, "lr": n + 0.9}, "points": points}


async def make_ended(pool: asyncpg.Pool, count: int) -> UUID:
    job_id = await make_job(pool, Status.RUNNING)
    await tell(pool, job_id, count)
    await apply(pool, intent_of(job_id, Trigger.SUCCEEDED))
    return job_id


async def all_points(pool: asyncpg.Pool, job_id: UUID) -> list[Point]:
    points: list[Point] = []
    page = Course([], None)
    while not points or page.next_cursor:
        async with snapshot(pool) as connection:
            page = await read_course(connection, job_id, Wanted(after=page.next_cursor))
        points += page.points
    return points


async def overview(pool: asyncpg.Pool, job_id: UUID, most: int = 100, **wanted: Any) -> list[Point]:
    async with snapshot(pool) as connection:
        page = await read_overview(connection, job_id, Wanted(**wanted), most)
    assert page.next_cursor is None
    return page.points


async def run(pool: asyncpg.Pool, now: Any = NEXT_DAY) -> None:
    """All that is due, however long it takes here."""
    while await archive.draw(pool, now=now):
        pass
    while await archive.pack_due(pool, now=now, before=now - DAY):
        pass


async def counts(pool: asyncpg.Pool) -> list[int]:
    tables = ("heartbeats", "packs", "outlines")
    return [await pool.fetchval(f"select count(*) from {table}") for table in tables]


class TestArchive:
    async def test_shows_the_same_before_drawn_drawn_and_packed(self, pool: asyncpg.Pool):
        job_id = await make_ended(pool, 1500)
        whole, outline = await all_points(pool, job_id), await overview(pool, job_id)
        assert len(whole) == 1500 * 11
        await run(pool, SOON)
        assert await counts(pool) == [1500, 0, 2]
        assert await all_points(pool, job_id) == whole
        assert await overview(pool, job_id) == outline
        await run(pool)
        beats, packs, outlines = await counts(pool)
        assert (beats, packs < 10, outlines) == (0, True, 2)
        assert await all_points(pool, job_id) == whole
        assert await overview(pool, job_id) == outline

    async def test_keeps_what_stands_out_in_few_points(self, pool: asyncpg.Pool):
        job_id = await make_ended(pool, 1500)
        await run(pool)
        shown = await overview(pool, job_id, 20)
        for name in ("loss", "lr"):
            assert 1 <= sum(point["name"] == name for point in shown) <= 20
        losses = {point["step"]: point["value"] for point in shown if point["name"] == "loss"}
        assert (losses[500], losses[700]) == (1e6, "NaN")
        rates = [point["step"] for point in shown if point["name"] == "lr"]
        assert (rates[0], rates[-1]) == (0, 14_999)

    async def test_draws_a_running_job_each_time_that_much_was_told(self, pool: asyncpg.Pool):
        job_id = await make_job(pool, Status.RUNNING)
        await tell(pool, job_id, 3)
        await run(pool, SOON)
        assert await counts(pool) == [3, 0, 0]
        await tell(pool, job_id, 1000, first=3)
        await run(pool, SOON)
        assert await counts(pool) == [1003, 0, 2]
        assert await pool.fetchval("select upto from courses") > 900
        await tell(pool, job_id, 5, first=1003)
        shown = await overview(pool, job_id)
        assert [p["step"] for p in shown][-1] == 10_079

    async def test_leaves_what_was_only_just_told(self, pool: asyncpg.Pool):
        job_id = await make_job(pool, Status.RUNNING)
        await tell(pool, job_id, 1000)
        await run(pool, NOW + archive.SETTLED + timedelta(seconds=600.5))
        assert await pool.fetchval("select upto from courses") == 600

    async def test_counts_what_came_late_once(self, pool: asyncpg.Pool):
        job_id = await make_job(pool, Status.RUNNING)
        await tell(pool, job_id, 1000)
        await pool.execute("delete from heartbeats where sequence = 500")
        await run(pool, SOON)
        assert 1e6 not in [point["value"] for point in await overview(pool, job_id)]
        await pool.execute(
            "insert into heartbeats values ($1, 1, 500, $2, $3)", job_id, SOON, _body(500)
        )
        await apply(pool, intent_of(job_id, Trigger.SUCCEEDED))
        await run(pool)
        assert 1e6 in [point["value"] for point in await overview(pool, job_id)]
        sequences = await pool.fetchval("select sequences::text from courses")
        assert sequences == "{[0,1000)}"
        assert [p["value"] for p in await all_points(pool, job_id) if p["name"] == "lr"] == [
            n + k / 10 for n in range(1000) for k in range(10)
        ]

    async def test_shows_what_the_last_attempt_told_after_its_end(self, pool: asyncpg.Pool):
        job_id = await make_ended(pool, 300)
        await run(pool, SOON)
        await tell(pool, job_id, 1, first=300)
        assert (await overview(pool, job_id))[-1]["step"] == 3009
        assert (await all_points(pool, job_id))[-1]["step"] == 3009
        await run(pool)
        assert await pool.fetchval("select count(*) from heartbeats") == 0
        assert (await overview(pool, job_id))[-1]["step"] == 3009
        assert (await all_points(pool, job_id))[-1]["step"] == 3009

    async def test_keeps_attempts_apart(self, pool: asyncpg.Pool):
        job_id = await make_job(pool, Status.RUNNING)
        await tell(pool, job_id, 1000)
        await apply(pool, intent_of(job_id, Trigger.FAILED_RETRYABLE))
        await tell(pool, job_id, 20, attempt=2)
        await run(pool)
        assert await pool.fetchval("select min(attempt) from heartbeats") == 2
        shown = await overview(pool, job_id, 10)
        series = [(point["attempt"], point["name"]) for point in shown]
        assert sorted(set(series)) == [(1, "loss"), (1, "lr"), (2, "loss"), (2, "lr")]
        assert series == sorted(series)
        points = await all_points(pool, job_id)
        assert [p["attempt"] for p in points] == [1] * 11_000 + [2] * 220

    async def test_shows_a_recent_part_as_exactly_as_asked(self, pool: asyncpg.Pool):
        job_id = await make_ended(pool, 1500)
        await run(pool)
        since = NOW + timedelta(seconds=1480)
        shown = await overview(pool, job_id, 500, since=since, names=frozenset({"lr"}))
        assert [point["step"] for point in shown] == list(range(14_800, 15_000))
        early = await overview(pool, job_id, 50, since=NOW + timedelta(seconds=100))
        assert min(point["time"] for point in early) >= NOW + timedelta(seconds=100)
        assert len(early) > 50

    async def test_pages_series_of_a_job_that_has_very_many(self, pool: asyncpg.Pool):
        job_id = await make_job(pool, Status.RUNNING)
        names = {f"m{number}": number for number in range(250)}
        await pool.execute(
            "insert into heartbeats values ($1, 1, 1, $2, $3)", job_id, NOW, {"metrics": names}
        )
        await apply(pool, intent_of(job_id, Trigger.SUCCEEDED))
        await run(pool, SOON)
        await pool.execute(
            "insert into heartbeats values ($1, 1, 2, $2, $3)",
            job_id,
            NOW,
            {"metrics": {"a": 1, "m100": 1, "z": 1}},
        )
        shown: list[Point] = []
        page = Course([], None)
        while not shown or page.next_cursor:
            async with snapshot(pool) as connection:
                wanted = Wanted(after=page.next_cursor)
                page = await read_overview(connection, job_id, wanted, 500)
            shown += page.points
        assert [point["name"] for point in shown] == sorted([*names, "m100", "a", "z"])

    async def test_does_the_same_twice_at_once(self, pool: asyncpg.Pool):
        jobs = [await make_ended(pool, 300) for _ in range(3)]
        was = [await all_points(pool, job_id) for job_id in jobs]
        seen = [await overview(pool, job_id) for job_id in jobs]
        await asyncio.gather(*(run(pool) for _ in range(3)))
        assert [await all_points(pool, job_id) for job_id in jobs] == was
        assert [await overview(pool, job_id) for job_id in jobs] == seen
        beats, _, outlines = await counts(pool)
        assert (beats, outlines) == (0, 6)

    async def test_is_done_by_the_time_there_is_for_it(self, pool: asyncpg.Pool):
        await make_ended(pool, 3)
        while await pool.fetchval("select count(*) from heartbeats"):
            await archive.archive(pool, now=NEXT_DAY, packed_after=DAY)

    async def test_leaves_nothing_to_do(self, pool: asyncpg.Pool):
        await make_ended(pool, 3)
        await make_job(pool, Status.CANCELLED)
        await run(pool)
        assert not await archive.draw(pool, now=NEXT_DAY)
        assert not await archive.pack_due(pool, now=NEXT_DAY, before=NEXT_DAY)
        assert await pool.fetchval("select count(*) from attempts where packed_at is null") == 0


@asynccontextmanager
async def stuck(pool: asyncpg.Pool, database: Database, table: str) -> AsyncIterator[Process]:
    """A process that archives, and waits where it writes this table."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(f"lock table {table} in share mode")
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", PROGRAM, database.url, NEXT_DAY.isoformat(), cwd=CLONE
        )
        try:
            await until(partial(_waits, pool, process), 60)
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


async def _waits(pool: asyncpg.Pool, process: Process) -> bool:
    assert process.returncode is None
    return not await _nobody_waits(pool)


async def _nobody_waits(pool: asyncpg.Pool) -> bool:
    return await pool.fetchval("select not exists(select from pg_locks where not granted)")


class TestArchiveThatIsKilled:
    @pytest.mark.parametrize("table", ["outlines", "packs", "attempts"])
    async def test_loses_and_doubles_nothing(
        self, pool: asyncpg.Pool, database: Database, table: str
    ):
        job_id = await make_ended(pool, 700)
        whole, seen = await all_points(pool, job_id), await overview(pool, job_id)
        async with stuck(pool, database, table) as process:
            process.kill()
            await process.wait()
            assert await all_points(pool, job_id) == whole
            assert await overview(pool, job_id) == seen

        await until(partial(_nobody_waits, pool), 30)
        await run(pool)
        beats, _, outlines = await counts(pool)
        assert (beats, outlines) == (0, 2)
        assert await all_points(pool, job_id) == whole
        assert await overview(pool, job_id) == seen


async def test_the_search_for_what_is_due_looks_at_one_heartbeat_of_each_that_runs(
    pool: asyncpg.Pool,
) -> None:
    """However much was told in the minutes in which nothing is drawn yet."""
    jobs = [await make_job(pool, Status.RUNNING) for _ in range(3)]
    for job_id in jobs:
        await tell(pool, job_id, 2_000)
    asked = f"explain (analyze, format json) {statement('due_outlines')}"

    async with pool.acquire() as connection:
        explained = await connection.fetchval(asked, 50, NOW - timedelta(minutes=5), 1)

    read = [each for each in nodes(json.loads(explained)[0]["Plan"]) if _is_of_heartbeats(each)]
    assert sum(each["Actual Rows"] * each["Actual Loops"] for each in read) == len(jobs)
    assert all(not each.get("Rows Removed by Filter") for each in read)


def _is_of_heartbeats(node: dict[str, Any]) -> bool:
    return node.get("Relation Name") == "heartbeats"
