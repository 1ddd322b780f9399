"""What the ledger reads, of twenty thousand jobs."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import asyncpg
import msgspec

from common.jobs.ledger import LEAST_ID, projects_with_jobs
from common.postgres import statement
from tests import many_jobs
from tests.jobs import NOW

ATTEMPTS = """
insert into attempts (job_id, attempt, created_at, started_at, ended_at, outcome)
select id, 1, submitted_at, submitted_at, submitted_at + interval '1 hour', 'failed' from jobs
"""
HOUR = timedelta(hours=1)


async def test_no_more_is_read_than_was_submitted_within_the_span_or_is_shown(
    pool: asyncpg.Pool,
) -> None:
    await many_jobs.fill(pool)
    await pool.execute(ATTEMPTS, timeout=many_jobs.PATIENCE)
    await pool.execute("analyze attempts", timeout=many_jobs.PATIENCE)
    within = 10 * 60
    read = await rows_read(pool, "user", NOW + HOUR * 100, NOW + HOUR * 110, limit=100)
    assert 0 < read["jobs"] <= within
    assert 0 < read["attempts"] <= within
    shown = await rows_read(pool, "job", NOW, NOW + HOUR * 10_000, limit=50)
    assert shown["jobs"] <= 50 * len(many_jobs.PROJECTS)
    assert shown["attempts"] <= 50
    assert set(await projects_with_jobs(pool)) == set(many_jobs.PROJECTS)
    listing = await plan_of(pool, statement("projects_with_jobs"))
    assert scanned(listing)["jobs"] <= len(many_jobs.PROJECTS) + 1


async def rows_read(
    pool: asyncpg.Pool, group_by: str, since: Any, until: Any, *, limit: int
) -> dict[str, float]:
    given = (many_jobs.PROJECTS, since, until, LEAST_ID, group_by, None, limit, NOW, {})
    return scanned(await plan_of(pool, statement("read_ledger"), *given))


async def plan_of(pool: asyncpg.Pool, query: str, *given: Any) -> dict[str, Any]:
    explain = f"explain (analyze, format json) {query}"
    (plan,) = msgspec.json.decode(await pool.fetchval(explain, *given))
    return plan["Plan"]


def scanned(plan: dict[str, Any]) -> dict[str, float]:
    """Of each table, shown or not."""
    found: dict[str, float] = {}
    for node in nodes(plan):
        rows = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
        table = node.get("Relation Name")
        if table:
            found[table] = found.get(table, 0) + rows * node["Actual Loops"]
    return found


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from nodes(inner)
