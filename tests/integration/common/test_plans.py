"""No statement reads a table whole, by whatever plan is kept for it: neither one that was made while
there was nothing yet, nor one that was made over a long history."""

import re
from typing import Any

import asyncpg
import msgspec
import pytest

from common import postgres
from common.jobs import beat
from common.jobs.beat import Beat
from common.jobs.state import Status
from common.postgres import statements
from common.settings import Database as DatabaseSettings
from tests import many_jobs
from tests.integration.common.jobs.test_lists import nodes
from tests.jobs import NOW, make_job
from tests.postgres_server import Database

TABLES = ("jobs", "attempts", "beats", "work", "job_events")
# What of them is read to its end holds no more than what is still to do.
TO_DO = {
    "attempts_unpacked",
    "attempts_unsettled",
    "job_events_unpublished",
    "jobs_live",
    "jobs_unswept",
    "work_due",
}
# One of them steps through an index from project to project; the other's beats are those of
# attempts that are not drawn yet, all of which may be due.
EXCEPT = {("projects_with_jobs", "jobs_by_name"), ("due_outlines", "beats_pkey")}

ATTEMPTS = """
insert into attempts (job_id, attempt, created_at, launched_at, ended_at, outcome, log_uri)
select id, 1, submitted_at, submitted_at, submitted_at, 'succeeded', 's3://logs/' || id from jobs
"""
WORK = """
insert into work (kind, job_id, attempt, state, next_at, created_at, finished_at)
select 'launch', id, 1, 'done', submitted_at, submitted_at, submitted_at from jobs
"""
PLANNED = """
select generic_plans, custom_plans
from pg_prepared_statements
where statement like $1 and statement not like '%pg_prepared_statements%'
"""
EVENTS = """
insert into job_events (
    id, job_id, sequence, type, source, at, attempt, status_from, status_to, data, traceparent,
    next_at, published_at
)
select
    gen_random_uuid(), id, 1, 'dev.eventrain.job.queued.v1', '/test', submitted_at, 1, 'pending',
    'queued', '{}', '', submitted_at, submitted_at
from jobs
"""


async def test_no_plan_of_an_empty_table_reads_it_whole(pool: asyncpg.Pool) -> None:
    assert await read_whole(pool) == set()


async def test_no_plan_over_a_long_history_reads_it_whole(pool: asyncpg.Pool) -> None:
    await many_jobs.fill(pool)
    for fill in (ATTEMPTS, WORK, EVENTS):
        await pool.execute(fill, timeout=many_jobs.PATIENCE)
    await pool.execute(
        "update jobs set output_model_entry_id = gen_random_uuid() where status = 'succeeded'",
        timeout=many_jobs.PATIENCE,
    )
    for table in TABLES:
        await pool.execute(f"vacuum analyze {table}", timeout=many_jobs.PATIENCE)
    assert await read_whole(pool) == set()


@pytest.mark.parametrize("at_once", [1, 3, 30])
async def test_heartbeats_are_planned_once(database: Database, at_once: int) -> None:
    pool = await postgres.open_pool(DatabaseSettings(url=database.url, pool_size=1), keyed=True)
    jobs = [await make_job(pool, Status.RUNNING) for _ in range(at_once)]

    async with pool.acquire() as connection:
        for turn in range(12):
            await beat.record(connection, [Beat(job, 1, turn, "", "{}") for job in jobs], now=NOW)
        planned = await connection.fetchrow(PLANNED, "%heartbeats%")

    await postgres.close_pool(pool)
    assert planned is not None
    assert tuple(planned) == (12, 0)


async def read_whole(pool: asyncpg.Pool) -> set[tuple[str, str]]:
    """Which statement does, and of what: a table, or an index."""
    async with pool.acquire() as connection:
        await connection.execute("set plan_cache_mode = force_generic_plan")
        found = {
            (name, node.get("Index Name", node["Relation Name"]))
            for name, text in statements().items()
            if name != "plan_for_these_values"
            for node in nodes(await plan(connection, text))
            if is_whole(node)
        }
    return {each for each in found if each[1] not in TO_DO} - EXCEPT


def is_whole(node: dict[str, Any]) -> bool:
    if node.get("Relation Name") not in TABLES or node["Node Type"] == "ModifyTable":
        return False
    return not node.keys() & {"Index Cond", "Recheck Cond", "TID Cond"}


async def plan(connection: Any, text: str) -> dict[str, Any]:
    """As it is kept, whatever the values are."""
    await connection.execute(f"prepare kept as {text}")
    count = len(set(re.findall(r"\$\d+", text)))
    given = f"({', '.join(['null'] * count)})" if count else ""
    explained = await connection.fetchval(f"explain (format json) execute kept{given}")
    await connection.execute("deallocate kept")
    return msgspec.json.decode(explained)[0]["Plan"]
