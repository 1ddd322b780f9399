"""Whatever happens to a job, no hour is counted twice, and none is left out."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.jobs.ledger import Span, read_ledger
from common.jobs.state import Trigger
from common.postgres import close_pool, open_pool
from common.settings import Database as DatabaseSettings
from common.settings import load
from tests.integration.functions.ledger.journey import Journey, on_gpu
from tests.jobs import NOW, PROJECT
from tests.postgres_server import Database

KINDS = ("useful", "lost", "stalled", "queued")
GPUS = 3
SPAN = Span(NOW - timedelta(days=1), NOW + timedelta(days=1))
Step = tuple[Trigger | str, int]

happenings = st.sampled_from([*Trigger, "saves", "goes on"])
forwards = st.lists(st.tuples(happenings, st.integers(0, 200)), max_size=15)
wherever = st.lists(st.tuples(happenings, st.integers(-200, 200)), max_size=15)
quick = settings(
    max_examples=12,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@quick
@given(lives=st.lists(forwards, min_size=6, max_size=6))
def test_the_kinds_sum_to_the_time_from_submission_to_end(
    database: Database, lives: list[list[Step]]
) -> None:
    for job, hours in asyncio.run(lived(database.url, lives)):
        assert min(hours.values()) >= 0
        wall = (job["completed_at"] - job["submitted_at"]).total_seconds() / 3600
        assert sum(hours.values()) == pytest.approx(GPUS * wall)
        assert ran(hours) == pytest.approx(GPUS * job["ran_seconds"] / 3600)


@quick
@given(lives=st.lists(wherever, min_size=6, max_size=6))
def test_where_pods_clocks_go_back_no_kind_is_negative_and_what_was_run_is_counted(
    database: Database, lives: list[list[Step]]
) -> None:
    for job, hours in asyncio.run(lived(database.url, lives)):
        assert min(hours.values()) >= 0
        wall = (job["completed_at"] - job["submitted_at"]).total_seconds()
        assert sum(hours.values()) == pytest.approx(GPUS * max(wall, job["ran_seconds"]) / 3600)
        assert ran(hours) == pytest.approx(GPUS * job["ran_seconds"] / 3600)


def ran(hours: dict[str, float]) -> float:
    return hours["useful"] + hours["lost"] + hours["stalled"]


async def lived(url: str, lives: list[list[Step]]) -> list[tuple[Any, dict[str, float]]]:
    """Each of these lives to its end: the job, and its hours."""
    (found,) = load({"DATABASE_URL": url}, DatabaseSettings)
    pool = await open_pool(found)
    try:
        return [await live(pool, steps) for steps in lives]
    finally:
        await close_pool(pool)


async def live(pool: asyncpg.Pool, steps: list[Step]) -> tuple[Any, dict[str, float]]:
    job = await Journey.begin(pool, on_gpu(GPUS))
    for what, minutes in steps:
        await happen(job, what, minutes / 60)
    await job.goes(Trigger.FAILED, 1)
    return await pool.fetchrow("select * from jobs where id = $1", job.id), await hours_of(job)


async def happen(job: Journey, what: Trigger | str, hours: float) -> None:
    if isinstance(what, Trigger):
        await job.goes(what, hours)
    elif what == "saves":
        await job.saves(hours)
    else:
        await job.goes_on(hours)


async def hours_of(job: Journey) -> dict[str, float]:
    page = await read_ledger(
        job.pool, [PROJECT], SPAN, "job", prices={}, limit=1000, after=None, now=NOW
    )
    (row,) = [row for row in page.rows if UUID(row["key"]) == job.id]
    return {kind: row[f"gpu_{kind}"] for kind in KINDS}
