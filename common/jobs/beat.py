"""Heartbeats: fenced by the beat's row, written in groups, each numbered by its trainer."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from functools import lru_cache
from typing import Literal
from uuid import UUID

import asyncpg
import msgspec
from asyncpg.pool import PoolConnectionProxy

from common.errors import NotFound, StaleAttempt
from common.postgres import FAULTS, Queryable, statement

TURNS = 64
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


Stands = Sequence[Fence | None]


async def record(connection: Queryable, beats: Sequence[Beat], *, now: datetime) -> Stands:
    """Writes a group of heartbeats in one statement. The answer is how the job of each stands,
    None where there is none; a beat of another attempt than that was written nowhere."""
    unusual = await connection.fetch(
        statement("record_heartbeats"),
        [beat.job_id for beat in beats],
        [beat.attempt for beat in beats],
        [beat.sequence for beat in beats],
        [beat.marker for beat in beats],
        [beat.body for beat in beats],
        now,
    )
    stands: list[Fence | None] = [_usual(beat.attempt) for beat in beats]
    for place, attempt, *rest in unusual:
        stands[place - 1] = None if attempt is None else Fence(attempt, *rest)
    return stands


@lru_cache(maxsize=256)
def _usual(attempt: int) -> Fence:
    return Fence(attempt, open=True, waiting=False, command="continue")


class Recorder:
    """Records groups one at a time, over one connection for as long as they follow each other:
    taking and returning it costs as much as the statement. It is returned now and then all the
    same, for whoever else waits for one, and after any failure."""

    def __init__(self, pool: asyncpg.Pool, now: Callable[[], datetime]) -> None:
        self._pool = pool
        self._now = now
        self._held: PoolConnectionProxy | None = None
        self._turns = 0

    async def __call__(self, beats: Sequence[Beat]) -> Stands:
        """`record` with the time of the call."""
        if self._turns >= TURNS:
            await self.rest()
        if self._held is None:
            self._held = await self._pool.acquire()
        self._turns += 1
        try:
            return await record(self._held, beats, now=self._now())
        except asyncpg.PostgresError:
            await self.rest()
            raise
        except BaseException:
            with suppress(*FAULTS):
                self._held.terminate()
            await self.rest()
            raise

    async def rest(self) -> None:
        """Returns the connection to the pool, which ends it where it is no longer fit."""
        held, self._held, self._turns = self._held, None, 0
        if held is not None:
            with suppress(*FAULTS):
                await self._pool.release(held)


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
