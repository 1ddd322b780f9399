"""What a page of a list reads, of twenty thousand jobs."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from common import cursor
from common.cursor import Instant
from common.jobs import reading
from common.jobs.label import read_labels
from common.postgres import statement, transaction
from tests import many_jobs

LIMIT = 50


async def test_no_filter_makes_a_page_read_a_projects_history(pool: asyncpg.Pool) -> None:
    await many_jobs.fill(pool)
    read = {name: await rows_read(pool, each) for name, each in (await asked(pool)).items()}
    assert {name: rows for name, rows in read.items() if rows > many_jobs.MANY / 10} == {}


async def asked(pool: asyncpg.Pool) -> dict[str, list[Any]]:
    return {name: arguments(query) for name, query in (await many_jobs.asked(pool)).items()}


def arguments(query: dict[str, str]) -> list[Any]:
    """Of the statement, in its order."""
    named, place = query.get("q"), cursor.read(query.get("cursor"), tuple[Instant, UUID])
    return [
        [UUID(query["projectId"])] if "projectId" in query else list(many_jobs.PROJECTS),
        [query["status"]] if "status" in query else None,
        query.get("modelId"),
        query.get("submittedBy"),
        read_labels([query["label"]] if "label" in query else None),
        reading.pattern(named),
        *reading.ids_beginning_with(named),
        *(place or (None, None)),
        LIMIT + 1,
    ]


async def rows_read(pool: asyncpg.Pool, given: list[Any]) -> float:
    """Of the table of jobs, shown or not."""
    explain = "explain (analyze, format json) " + statement("list_jobs")
    async with transaction(pool) as connection:
        await connection.execute(statement("plan_for_these_values"))
        (plan,) = msgspec.json.decode(await connection.fetchval(explain, *given))
    return sum(
        (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
        for node in nodes(plan["Plan"])
        if node.get("Relation Name") == "jobs"
    )


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for each in plan.get("Plans", []):
        yield from nodes(each)
