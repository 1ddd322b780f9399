"""The lease that keeps ticks apart: a row with an expiry, renewed while the tick runs. No lock
and no transaction is held, so that a tick that dies gives it back by dying."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg

from common.postgres import FAULTS, Queryable, statement

Now = Callable[[], datetime]

SHORTEST = timedelta(seconds=10)
# A clock is never quite on time: a tick that comes a little early is still a tick.
EARLY = 0.2


@dataclass
class Held:
    """A lease in our hands. The tick says what it found, and whether it came to its end."""

    last_completed_at: datetime | None
    detail: dict[str, Any] = field(default_factory=dict[str, Any])
    complete: bool = False
    more: bool = False


@asynccontextmanager
async def hold(
    pool: asyncpg.Pool, name: str, *, spacing: timedelta, now: Now
) -> AsyncGenerator[Held | None]:
    """The lease for as long as the block runs; None where it is held, or was started less than
    the spacing ago."""
    holder, length = uuid4().hex, max(3 * spacing, SHORTEST)
    claimed = await pool.fetch(
        statement("claim_lease"), name, holder, now(), length, spacing * (1 - EARLY)
    )
    if not claimed:
        yield None
        return
    held = Held(claimed[0]["completed_at"])
    renewing = asyncio.create_task(_renew(pool, name, holder, length, now))
    try:
        yield held
    finally:
        renewing.cancel()
        with suppress(asyncio.CancelledError):
            await renewing
        completed_at = now() if held.complete else None
        await pool.execute(
            statement("release_lease"), name, holder, completed_at, held.detail, held.more
        )


@dataclass(frozen=True)
class Age:
    """When the last tick was complete, and what it found."""

    completed_at: datetime | None
    detail: dict[str, Any]


async def read_age(connection: Queryable, name: str) -> Age:
    """How old the last complete tick is."""
    row = await connection.fetchrow(statement("read_lease"), name)
    return Age(None, {}) if row is None else Age(row["completed_at"], row["detail"])


async def _renew(pool: asyncpg.Pool, name: str, holder: str, length: timedelta, now: Now) -> None:
    while True:
        await asyncio.sleep(length.total_seconds() / 3)
        with suppress(*FAULTS):
            await pool.fetchval(statement("renew_lease"), name, holder, now() + length)
