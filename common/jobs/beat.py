"""Heartbeats: fenced by the beat's row, written in groups, each numbered by its trainer."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from common.errors import NotFound, StaleAttempt
from common.postgres import Queryable, statement

Command = Literal["continue", "stop", "checkpoint_and_stop"]


class Beat(msgspec.Struct, frozen=True):
    """One heartbeat as it arrived: `marker` changes when the training has moved on, and `body`
    is the JSON that history keeps."""

    job_id: UUID
    attempt: int
    sequence: int
    marker: str
    body: str


class Fence(msgspec.Struct, frozen=True):
    """How a trainer's attempt stands: whether its job is still live, has been seen alive, and
    what it is told to do."""

    attempt: int
    open: bool
    waiting: bool
    command: Command


async def record(
    connection: Queryable, beats: Sequence[Beat], *, now: datetime
) -> Mapping[tuple[UUID, int], Fence]:
    """Writes a group of heartbeats in one statement. What is missing from the answer was written
    nowhere: `refusal` says why."""
    rows = await connection.fetch(
        statement("record_heartbeats"),
        [beat.job_id for beat in beats],
        [beat.attempt for beat in beats],
        [beat.sequence for beat in beats],
        [beat.marker for beat in beats],
        [beat.body for beat in beats],
        now,
    )
    return {
        (job_id, attempt): Fence(attempt, is_open, waiting, command)
        for job_id, attempt, is_open, waiting, command in rows
    }


async def read_fence(connection: Queryable, job_id: UUID) -> Fence:
    """How the job's present attempt stands. Raises NotFound."""
    row = await connection.fetchrow(statement("read_fence"), job_id)
    if row is None:
        raise NotFound("there is no such job")
    return Fence(**dict(row))


async def refusal(connection: Queryable, job_id: UUID) -> Exception:
    """Why a callback found no row to write to."""
    row = await connection.fetchrow(statement("read_fence"), job_id)
    return NotFound("there is no such job") if row is None else StaleAttempt()
