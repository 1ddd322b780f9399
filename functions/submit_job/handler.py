"""Takes a job request and makes a job of it, or says what is wrong with it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

import asyncpg

from common.access import audit
from common.errors import Conflict, IdempotencyMismatch, Invalid, Violation
from common.jobs import permission, reading, submission
from common.jobs.admission import admit, choose_project, digest_of
from common.jobs.offer import Offer
from common.jobs.state import TERMINAL, Status
from common.jobs.submission import Key, Submission
from common.jobs.view import JobView, view
from common.postgres import Connection, statement
from common.tokens.user_token import User
from common.trace import TraceParent


@dataclass(frozen=True)
class Asked:
    """A submission as it came in."""

    body: Any
    user: User
    key: str | None
    dry_run: bool
    parent: TraceParent


@dataclass(frozen=True)
class Answered:
    """The job, and the ids of the events that tell of it."""

    job: JobView
    event_ids: tuple[UUID, ...] = ()


class _TakenBack(Exception):
    """A dry run ends here, and with it its transaction."""

    def __init__(self, job: JobView) -> None:
        super().__init__()
        self.job = job


async def submit_job(
    asked: Asked, *, pool: asyncpg.Pool, offer: Offer, interval: timedelta, now: datetime
) -> Answered:
    """Called by HTTP. Writes the job with its first attempt and event (`job.submitted`), which
    the caller publishes. The same key with the same body finds the first answer's job. A dry run
    does all of it, takes it back, and shows the job without an id. Raises Forbidden, NotFound,
    Invalid with every violation, IdempotencyMismatch."""
    project = choose_project(asked.body, asked.user)
    key = Key(asked.key, digest_of(asked.body)) if asked.key and not asked.dry_run else None
    async with pool.acquire() as connection:
        if key is not None and project is not None:
            earlier = await _find_earlier(connection, project, asked.user, key, now)
            if earlier is not None:
                return Answered(await _show(connection, earlier, interval, now))
        admitted = await admit(
            connection,
            asked.body,
            project=project,
            user=asked.user,
            offer=offer,
            parent=asked.parent,
        )
        return await _write(connection, admitted, asked, key, interval, now)


async def resubmit_job(
    job_id: UUID,
    asked: Asked,
    *,
    pool: asyncpg.Pool,
    offer: Offer,
    interval: timedelta,
    now: datetime,
) -> Answered:
    """Called by HTTP. A job that has ended is submitted again on other resources, as a new job
    under today's rules. Raises what submit_job raises, and Conflict for a job that is live."""
    row = await reading.find_job(pool, job_id)
    permission.allow(row["project_id"] if row else None, asked.user, "member")
    assert row is not None
    if row["status"] not in TERMINAL:
        raise Conflict(f"The job is {row['status']}; only one that has ended is submitted again.")
    again = replace(asked, body=_again(row, asked.body))
    return await submit_job(again, pool=pool, offer=offer, interval=interval, now=now)


def _again(row: Mapping[str, Any], changes: Any) -> dict[str, Any]:
    """The request as it was, but for the resources. The version of a model that was made is
    taken: the next one is chosen."""
    if not isinstance(changes, dict):
        raise Invalid([Violation("body", "must be a JSON object")])
    given = cast("dict[str, Any]", changes)
    before: dict[str, Any] = {k: v for k, v in row["request"].items() if k != "resolved"}
    body: dict[str, Any] = before | {"projectId": str(row["project_id"])}
    body["resourceProfile"] = given.get("resourceProfile")
    if given.get("useGpu") is not None:
        body["useGpu"] = given["useGpu"]
        if body.get("trainJobSpec"):
            body["trainJobSpec"] = body["trainJobSpec"] | {"use_gpu": None}
    if row["status"] == Status.SUCCEEDED:
        body["outputModelVersion"] = None
    return body


async def _find_earlier(
    connection: Connection, project: UUID, user: User, key: Key, now: datetime
) -> UUID | None:
    """Before any rule is checked: what was accepted once is answered alike for a day."""
    row = await connection.fetchrow(
        statement("find_submission"), project, user.subject, key.value, now
    )
    if row is None:
        return None
    if row["digest"] != key.digest:
        raise IdempotencyMismatch
    return row["job_id"]


async def _write(
    connection: Connection,
    admitted: Submission,
    asked: Asked,
    key: Key | None,
    interval: timedelta,
    now: datetime,
) -> Answered:
    try:
        async with connection.transaction():
            made = await submission.submit(connection, admitted, key=key, now=now)
            await audit.write(connection, made.job_id, project=admitted.project_id)
            if made.row is None:
                job = await _show(connection, made.job_id, interval, now)
            else:
                job = view(made.row, now=now, interval=interval)
            if asked.dry_run:
                raise _TakenBack(job)
            return Answered(job, made.event_ids)
    except _TakenBack as dry:
        dry.job["id"] = None
        return Answered(dry.job)


async def _show(
    connection: Connection, job_id: UUID, interval: timedelta, now: datetime
) -> JobView:
    job = await reading.find_view(connection, job_id, now=now, interval=interval)
    assert job is not None
    return job
