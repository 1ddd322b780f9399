"""Due work: a launch, a registration in the catalog (register) or in MLflow (enroll), what MLflow
is to hear of an attempt (mirror); kept as a row until it is done or given up.

A claim moves the row's next time past the lease, so that a worker that dies gives it back by
dying, and no lock outlives a statement.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from common.postgres import Connection, statement

Kind = Literal["launch", "register", "mirror", "enroll"]
LEASE = timedelta(seconds=60)
LONGEST_DELAY = timedelta(minutes=15)


@dataclass(frozen=True)
class Item:
    """One piece of work, claimed for the length of a lease."""

    kind: Kind
    job_id: UUID
    attempt: int
    tries: int
    created_at: datetime


async def claim(
    connection: Connection,
    kind: Kind,
    *,
    now: datetime,
    job_id: UUID | None = None,
    limit: int = 1,
) -> Sequence[Item]:
    """Takes due work of a kind, of one job or of any."""
    if job_id is None:
        rows = await connection.fetch(statement("claim_work"), kind, now, limit, LEASE)
    else:
        of_job = statement("claim_work_of_job")
        rows = await connection.fetch(of_job, kind, now, limit, job_id, LEASE)
    return [Item(kind, **dict(row)) for row in rows]


async def finish(connection: Connection, item: Item, *, now: datetime) -> None:
    """The item is done."""
    await connection.execute(
        statement("finish_work"), item.kind, item.job_id, item.attempt, "done", now, None
    )


async def give_up(connection: Connection, item: Item, error: str, *, now: datetime) -> None:
    """The item can never be done; what stood in its way is kept."""
    await connection.execute(
        statement("finish_work"), item.kind, item.job_id, item.attempt, "dead", now, error
    )


async def postpone(connection: Connection, item: Item, error: str, *, now: datetime) -> None:
    """Later, twice as long after each try."""
    delay = min(timedelta(seconds=2 ** min(item.tries, 10)), LONGEST_DELAY)
    await connection.execute(
        statement("postpone_work"), item.kind, item.job_id, item.attempt, now + delay, error
    )
