"""What jobs spent: the hours of GPUs, or of CPU cores where there is none, by what became of them.

useful   an attempt ran: all that a succeeded one did, and one that still runs until now; of one that
         failed or was cancelled, what it did until it saved a checkpoint for the last time, from
         where the next attempt, or another job, goes on
lost     it ran, and what it did is saved nowhere
stalled  it ran while the job was marked as stalled
queued   the job waited: before, between and after its attempts

Together they are the time from the job's submission to its end, or to now, times what it asked for.
The first three are what it ran (`jobs.ran_seconds`), which is what counts for a quota; queued hours
cost nothing. A job belongs, whole, to the day on which it was submitted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from common import cursor
from common.cursor import Instant, Page, Text
from common.postgres import Queryable, statement

GroupBy = Literal["job", "user", "project", "gpuType", "day", "month"]
LEAST_ID = UUID(int=0)


@dataclass(frozen=True)
class Span:
    """Jobs that were submitted at `since` or later, and before `until`."""

    since: datetime
    until: datetime


async def projects_with_jobs(connection: Queryable) -> list[UUID]:
    rows = await connection.fetch(statement("projects_with_jobs"))
    return [row["id"] for row in rows]


async def read_ledger(
    connection: Queryable,
    projects: Sequence[UUID],
    span: Span,
    group_by: GroupBy,
    *,
    prices: Mapping[str, float],
    limit: int,
    after: str | None,
    now: datetime,
) -> Page:
    """Groups in the order of their key, jobs newest first. Raises Invalid for a bad cursor."""
    by_job = group_by == "job"
    key: str | None = None
    place: tuple[datetime, UUID] = (span.until, LEAST_ID)
    if by_job:
        place = cursor.read(after, tuple[Instant, UUID]) or place
    else:
        (key,) = cursor.read(after, tuple[Text]) or (None,)
    before = min(place, (span.until, LEAST_ID))
    given: tuple[Any, ...] = (span.since, *before, group_by, key, limit + 1, now, dict(prices))
    rows = await connection.fetch(statement("read_ledger"), list(projects), *given)
    return cursor.page(rows, limit, *(("submitted_at", "key") if by_job else ("key",)))
