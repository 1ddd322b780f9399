"""Shows jobs, and stops them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from common.access import audit
from common.access.permission import demand
from common.errors import Conflict, NotFound
from common.jobs import permission, reading, transition
from common.jobs.reading import Filter
from common.jobs.state import TERMINAL, Status, Trigger
from common.jobs.transition import Applied, Intent
from common.jobs.view import JobView, view
from common.postgres import Connection, transaction
from common.tokens.user_token import User
from functions.jobs.schema import JobList


@dataclass(frozen=True)
class Jobs:
    """What users may see of jobs, and their word that one shall stop."""

    pool: asyncpg.Pool
    interval: timedelta
    now: Callable[[], datetime]

    async def page(self, user: User, wanted: Filter, *, limit: int, after: str | None) -> JobList:
        """Called by HTTP. The caller's projects, or the one that is named. Raises NotFound for
        a project of others, Invalid for a bad cursor."""
        mine = [UUID(project) for project in user.projects]
        for project in wanted.projects:
            demand(user, project, "viewer", "There is no such project.")
        wanted = replace(wanted, projects=wanted.projects or mine)
        async with transaction(self.pool) as connection:
            page = await reading.list_jobs(connection, wanted, limit=limit, after=after)
        now = self.now()
        shown = [view(row, now=now, interval=self.interval) for row in page.rows]
        return {"jobs": shown, "nextCursor": page.next_cursor}

    async def one(self, user: User, job_id: UUID) -> JobView:
        """Called by HTTP. Raises NotFound."""
        row = await reading.find_job(self.pool, job_id)
        permission.allow(row["project_id"] if row else None, user, "viewer")
        assert row is not None
        return view(row, now=self.now(), interval=self.interval)

    async def cancel(self, user: User, job_id: UUID) -> tuple[JobView, tuple[UUID, ...]]:
        """Called by HTTP. A job that was never launched is cancelled at once
        (`job.cancelled`), any other live one is told to stop (`job.cancel_requested`); asking
        again changes nothing. The ids of the events are returned for publishing. Raises
        NotFound, Forbidden, and Conflict for a job that ended otherwise."""
        await permission.check(self.pool, job_id, user, role="member")
        async with transaction(self.pool) as connection:
            events = await _ask_to_cancel(connection, job_id, user.subject, self.now())
            await audit.write(connection)
        return await self.one(user, job_id), events


async def _ask_to_cancel(
    connection: Connection, job_id: UUID, by: str, now: datetime
) -> tuple[UUID, ...]:
    job = (await transition.lock(connection, [job_id])).get(job_id)
    if job is None:
        raise NotFound(permission.NO_JOB)
    if job.status in TERMINAL and job.status is not Status.CANCELLED:
        raise Conflict(f"The job has already {job.status}; there is nothing to cancel.")
    reason = f"cancel asked for by {by}"
    intent = Intent(job_id, job.attempt, Trigger.CANCEL_ASKED, "jobs", reason=reason, by=by)
    (result,) = await transition.apply(connection, [intent], now=now)
    return result.event_ids if isinstance(result, Applied) else ()
