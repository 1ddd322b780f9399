"""What trainers tell beside their heartbeats: events, logs, checkpoints, artifacts.

Each report is fenced and numbered in the statement that writes it. A repeat of a CloudEvent is
answered with the number that the first one got.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from common.jobs.beat import Fence, refusal
from common.postgres import Connection, statement
from common.tracking import operation
from common.tracking.fold import fold

# Told by an attempt of where it went on: `anew`, or at which steps some series begin again.
RESUMED = "attempt_resumed"


@dataclass(frozen=True)
class Report:
    """One thing told by one attempt; `event_key` is the same when it is told again."""

    job_id: UUID
    attempt: int
    event_key: str
    type: str
    payload: Mapping[str, Any]
    occurred_at: datetime


@dataclass(frozen=True)
class Recorded:
    """The report's number, and how the attempt stands; no fence for a repeat."""

    number: int
    fence: Fence | None


async def record(connection: Connection, report: Report, *, now: datetime) -> Recorded:
    """Writes a report once, in a transaction of the caller's. Raises StaleAttempt, NotFound."""
    identity = (report.job_id, report.attempt, report.event_key)
    try:
        async with connection.transaction():
            row = await connection.fetchrow(
                statement("record_report"),
                *identity,
                report.type,
                report.payload,
                report.occurred_at,
                now,
            )
    except asyncpg.UniqueViolationError:
        row = None
    if row is not None:
        fence = Fence(report.attempt, row["open"], row["waiting"], row["command"])
        return Recorded(row["reported"], fence)
    number = await connection.fetchval(statement("find_report"), *identity)
    if number is None:
        raise await refusal(connection, report.job_id)
    return Recorded(number, None)


async def keep(connection: Connection, report: Report, *, now: datetime) -> Recorded:
    """Writes it once, with what follows of it: a checkpoint to resume from, experiment runs, where
    the attempt went on. Raises StaleAttempt, NotFound."""
    if report.type == RESUMED:
        await _note_resumed(connection, report)
    recorded = await record(connection, report, now=now)
    if recorded.fence is None:
        return recorded
    if report.type == "checkpoint_saved":
        await add_checkpoint(connection, report, recorded.number, now=now)
    elif report.type == operation.TYPE:
        await fold(connection, report.job_id, report.attempt, report.payload, now=now)
    return recorded


async def add_checkpoint(
    connection: Connection, report: Report, number: int, *, now: datetime
) -> None:
    """Keeps what a `checkpoint_saved` report says as a checkpoint to resume from."""
    payload = report.payload
    await connection.execute(
        statement("insert_checkpoint"),
        uuid4(),
        report.job_id,
        report.attempt,
        number,
        payload["name"],
        payload["uri"],
        payload["sha256"],
        payload["size"],
        payload.get("step"),
        payload.get("epoch"),
        payload.get("metrics"),
        now,
    )


async def _note_resumed(connection: Connection, report: Report) -> None:
    begins: Any = report.payload.get("begins")
    steps: dict[str, int] = {
        name: step
        for name, step in (begins.items() if isinstance(begins, dict) else ())
        if isinstance(step, int)
    }
    anew = report.payload.get("anew") is True
    if anew or steps:
        await connection.execute(
            statement("note_resumed"), report.job_id, report.attempt, anew, steps
        )


async def newest_checkpoint(connection: Connection, job_id: UUID) -> dict[str, Any] | None:
    """The last checkpoint whose upload was complete."""
    row = await connection.fetchrow(statement("newest_checkpoint"), job_id)
    return None if row is None else dict(row)


async def add_artifacts(
    connection: Connection,
    job_id: UUID,
    attempt: int,
    artifacts: Sequence[Mapping[str, Any]],
    *,
    now: datetime,
) -> None:
    """Keeps the files that an attempt left behind; a repeat changes nothing."""
    if artifacts:
        await connection.execute(
            statement("insert_artifacts"), job_id, attempt, list(artifacts), now
        )
