"""Reading jobs: one, a page of many, and what is known of each; never with a lock."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from common import cursor
from common.cursor import Big, Instant, Page, Small, Text, page
from common.jobs.view import JobView, view
from common.postgres import Connection, Queryable, statement

Row = Mapping[str, Any]

LOG_BYTES = 4 << 20
LARGEST = 2**63 - 1
BEGINNING = datetime(1, 1, 1, tzinfo=UTC)
LIKE_AN_ID = re.compile("[0-9a-fA-F-]{1,36}")
LEAST, GREATEST = UUID(int=0), UUID(int=2**128 - 1)


@dataclass(frozen=True)
class Filter:
    """What a list of jobs is narrowed to; None narrows nothing."""

    projects: Collection[UUID]
    statuses: Sequence[str] | None = None
    model_id: UUID | None = None
    submitted_by: str | None = None
    labels: Mapping[str, str] | None = None
    prefix: str | None = None


async def find_job(connection: Queryable, job_id: UUID) -> Row | None:
    """The job's row with its last heartbeat."""
    return await connection.fetchrow(statement("read_job"), job_id)


async def find_view(
    connection: Queryable, job_id: UUID, *, now: datetime, interval: timedelta
) -> JobView | None:
    """The job as the contract shows it."""
    row = await find_job(connection, job_id)
    return None if row is None else view(row, now=now, interval=interval)


async def list_jobs(
    connection: Connection, wanted: Filter, *, limit: int, after: str | None
) -> Page:
    """A page of jobs, newest first, inside of a transaction. Raises Invalid for a bad cursor."""
    place = cursor.read(after, tuple[Instant, UUID]) or (None, None)
    await connection.execute(statement("plan_for_these_values"))
    rows = await connection.fetch(statement("list_jobs"), *_values(wanted), *place, limit + 1)
    return page(rows, limit, "submitted_at", "id")


async def list_versions(
    connection: Connection, lists: Iterable[tuple[Filter, int]]
) -> list[dict[UUID, str]]:
    """Of each list its newest jobs, so many, in which version; inside of a transaction. A statement
    for each: one for all would be planned for none of their filters."""
    await connection.execute(statement("plan_for_these_values"))
    watch = statement("watch_list")
    return [
        {row["id"]: row["version"] for row in await connection.fetch(watch, *_values(wanted), size)}
        for wanted, size in lists
    ]


def _values(wanted: Filter) -> tuple[Any, ...]:
    return (
        list(wanted.projects),
        wanted.statuses,
        wanted.model_id,
        wanted.submitted_by,
        wanted.labels,
        pattern(wanted.prefix),
        *ids_beginning_with(wanted.prefix),
    )


async def timeline(connection: Queryable, job_id: UUID, *, limit: int, after: str | None) -> Page:
    """State changes and reports, oldest first."""
    place = cursor.read(after, tuple[Instant, Small, Big]) or (BEGINNING, 0, 0)
    rows = await connection.fetch(statement("read_timeline"), job_id, *place, limit + 1)
    return page(rows, limit, "at", "kind", "number")


async def attempts(connection: Queryable, job_id: UUID, *, limit: int, after: str | None) -> Page:
    """Every try, the first first."""
    (place,) = cursor.read(after, tuple[Small]) or (0,)
    rows = await connection.fetch(statement("read_attempts"), job_id, place, limit + 1)
    return page(rows, limit, "attempt")


async def logs(connection: Queryable, job_id: UUID, *, limit: int, after: str | None) -> Page:
    """Reports of log lines, in the order of their arrival."""
    (place,) = cursor.read(after, tuple[Big]) or (0,)
    rows = await connection.fetch(statement("read_logs"), job_id, place, limit + 1, LOG_BYTES)
    found = page(rows, limit, "number")
    full = found.next_cursor is None and rows and rows[-1]["filled"] >= LOG_BYTES
    return replace(found, next_cursor=cursor.write(rows[-1]["number"])) if full else found


async def pod_logs(connection: Queryable, job_id: UUID) -> Sequence[Row]:
    """Where the ends of pods' logs lie."""
    return await connection.fetch(statement("read_pod_logs"), job_id)


async def checkpoints(
    connection: Queryable, job_id: UUID, *, limit: int, after: str | None
) -> Page:
    """Checkpoints, the oldest first."""
    (place,) = cursor.read(after, tuple[Big]) or (0,)
    rows = await connection.fetch(statement("read_checkpoints"), job_id, place, limit + 1)
    return page(rows, limit, "number")


async def validations(
    connection: Queryable, job_id: UUID, *, limit: int, after: str | None
) -> Page:
    """What validations found, the newest first."""
    (place,) = cursor.read(after, tuple[Big]) or (LARGEST,)
    rows = await connection.fetch(statement("read_validations"), job_id, place, limit + 1)
    return page(rows, limit, "number")


async def artifacts(connection: Queryable, job_id: UUID, *, limit: int, after: str | None) -> Page:
    """Files, by attempt and name."""
    place = cursor.read(after, tuple[Small, Text]) or (0, "")
    rows = await connection.fetch(statement("read_artifacts"), job_id, *place, limit + 1)
    return page(rows, limit, "attempt", "name")


async def metrics(connection: Queryable, job_id: UUID, *, limit: int) -> Sequence[Row]:
    """Single figures that were recorded, oldest first."""
    return await connection.fetch(statement("read_metrics"), job_id, limit)


def ids_beginning_with(prefix: str | None) -> tuple[UUID, UUID] | tuple[None, None]:
    """The first and the last; none where no id can begin so."""
    if prefix is None or not LIKE_AN_ID.fullmatch(prefix):
        return None, None
    first, last = (prefix + bound[len(prefix) :] for bound in (str(LEAST), str(GREATEST)))
    try:
        return UUID(first), UUID(last)
    except ValueError:
        return None, None


def pattern(prefix: str | None) -> str | None:
    """What is `like` the beginning of a name."""
    if prefix is None:
        return None
    escaped = prefix.lower().replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"{escaped}%"
