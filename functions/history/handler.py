"""Shows what happened to a job, and takes figures about it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal, NamedTuple, Protocol
from uuid import UUID, uuid4

import asyncpg

from common.errors import StaleAttempt, Unauthenticated
from common.jobs import history as shown
from common.jobs import permission, reading, resumption
from common.jobs.course import Wanted, read_course
from common.jobs.history import Row, Sign
from common.jobs.overview import read_overview
from common.jobs.reading import Page
from common.jobs.resumption import Thread
from common.postgres import Connection, Queryable, snapshot, statement
from common.tokens.job_token import JobTokens
from common.tokens.user_token import User
from functions.history.schema import Experiment, Logs, NewMetric, Points

Identify = Callable[[str], Awaitable[User]]
MOST_METRICS = 10_000
# Where nobody says how many points of a series to show, and there are too many for all.
SOME_POINTS = 500


class Read(Protocol):
    def __call__(
        self, connection: Queryable, job_id: UUID, *, limit: int, after: str | None
    ) -> Awaitable[Page]: ...


class Collection(NamedTuple):
    read: Read
    show: Callable[[Row, Sign], Any]


COLLECTIONS: Mapping[str, Collection] = {
    "timeline": Collection(reading.timeline, shown.change),
    "attempts": Collection(reading.attempts, shown.attempt),
    "checkpoints": Collection(reading.checkpoints, shown.checkpoint),
    "validations": Collection(reading.validations, shown.validation),
    "artifacts": Collection(reading.artifacts, shown.artifact),
}


@dataclass(frozen=True)
class Slice:
    """How much of a collection, and after which cursor."""

    limit: int
    after: str | None


async def history(
    collection: str, user: User, job_id: UUID, part: Slice, *, pool: asyncpg.Pool, sign: Sign
) -> Mapping[str, Any]:
    """Called by HTTP for a page of one of COLLECTIONS. Emits nothing. Raises NotFound, and
    Invalid for a bad cursor."""
    await permission.check(pool, job_id, user)
    read, show = COLLECTIONS[collection]
    page = await read(pool, job_id, limit=part.limit, after=part.after)
    return {collection: [show(row, sign) for row in page.rows], "nextCursor": page.next_cursor}


async def read_logs(
    user: User, job_id: UUID, part: Slice, *, pool: asyncpg.Pool, sign: Sign
) -> Logs:
    """The same for logs: what trainers sent, and what was kept of their pods."""
    await permission.check(pool, job_id, user)
    page = await reading.logs(pool, job_id, limit=part.limit, after=part.after)
    kept = await reading.pod_logs(pool, job_id)
    return {
        "lines": shown.log_lines(page.rows),
        "podLogs": [shown.pod_log(row, sign) for row in kept],
        "nextCursor": page.next_cursor,
    }


async def read_points(
    user: User,
    job_id: UUID,
    wanted: Wanted,
    told_by: int | Literal["all"] | None,
    *,
    pool: asyncpg.Pool,
) -> Points:
    """The same for the course of metrics; with a resolution, no more points of each series. What
    a later attempt made anew is shown where all is asked for, or all of one attempt."""
    await permission.check(pool, job_id, user)
    async with snapshot(pool) as connection:
        wanted = replace(wanted, thread=await _thread(connection, job_id, told_by))
        if wanted.resolution is None:
            found = await read_course(connection, job_id, wanted)
        else:
            found = await read_overview(connection, job_id, wanted, wanted.resolution)
    return {"points": found.points, "nextCursor": found.next_cursor}


async def _thread(
    connection: Connection, job_id: UUID, told_by: int | Literal["all"] | None
) -> Thread:
    if told_by is None:
        return await resumption.read_thread(connection, job_id)
    return resumption.ALL if told_by == "all" else resumption.of_attempt(told_by)


async def read_experiment(user: User, job_id: UUID, *, pool: asyncpg.Pool) -> Experiment:
    """The figures that were recorded one by one, then the course of the heartbeats' metrics, of
    a long one some points of each series. Raises NotFound."""
    await permission.check(pool, job_id, user)
    rows = await reading.metrics(pool, job_id, limit=MOST_METRICS)
    async with snapshot(pool) as connection:
        wanted = Wanted(thread=await resumption.read_thread(connection, job_id))
        course = await read_course(connection, job_id, wanted)
        if course.next_cursor is not None:
            course = await read_overview(connection, job_id, wanted, SOME_POINTS)
    measured = [shown.measured(job_id, point) for point in course.points]
    return {"jobId": job_id, "metrics": [*map(shown.metric, rows), *measured]}


@dataclass(frozen=True)
class Recorder:
    """Takes single figures from a job's trainer or from a member of its project."""

    pool: asyncpg.Pool
    job_tokens: JobTokens
    now: Callable[[], datetime]

    async def record(
        self, token: str, job_id: UUID, figure: NewMetric, *, identify: Identify
    ) -> shown.Metric:
        """Called by HTTP. Raises Unauthenticated, NotFound, Forbidden, StaleAttempt."""
        attempt = await self._speaker(token, job_id, identify)
        row = {"id": uuid4(), "job_id": job_id, "name": figure.name, "unit": figure.unit}
        row |= {"value": float(figure.value), "recorded_at": self.now()}
        columns = [row[name] for name in ("id", "job_id", "name", "value", "unit", "recorded_at")]
        written = await self.pool.fetchval(statement("insert_metric"), *columns, attempt)
        if written is None:
            raise StaleAttempt
        return shown.metric(row)

    async def _speaker(self, token: str, job_id: UUID, identify: Identify) -> int | None:
        """The attempt that speaks; None for a person."""
        try:
            claims = self.job_tokens.verify(token, self.now())
        except Unauthenticated:
            await permission.check(self.pool, job_id, await identify(token), role="member")
            return None
        if claims.job_id != str(job_id):
            raise Unauthenticated("The job token is for another job.")
        return claims.attempt
