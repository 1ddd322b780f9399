"""Publishing what transitions wrote: at least once, always with the id of the row.

An event is claimed, sent and marked in three steps that hold no transaction across HTTP. Whoever
dies in between leaves it claimed for some seconds; status-sync then sends it again.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any, Protocol
from uuid import UUID

import asyncpg

from common.events import Event
from common.postgres import FAULTS, statement

BATCH = 200
AT_ONCE = 8

_log = logging.getLogger(__name__)


class Publish(Protocol):
    """Sends one event; True once the broker has taken it."""

    async def __call__(self, event: Event) -> bool: ...


async def publish_events(
    pool: asyncpg.Pool,
    publish: Publish,
    *,
    now: datetime,
    event_ids: Collection[UUID] | None = None,
) -> int:
    """Sends the named events, or whatever is overdue, and returns how many the broker took. Those
    of one job go one after the other, of several jobs a few at once."""
    if event_ids is None:
        event_ids = [row["id"] for row in await pool.fetch(statement("due_events"), now, BATCH)]
    if not event_ids:
        return 0
    rows = await pool.fetch(statement("claim_events"), now, list(event_ids))
    gate = asyncio.Semaphore(AT_ONCE)

    async def send(of_one_job: Iterable[Mapping[str, Any]]) -> list[UUID]:
        async with gate:
            return [row["id"] for row in of_one_job if await publish(to_event(row))]

    rows.sort(key=itemgetter("job_id", "sequence"))
    jobs = [list(group) for _, group in groupby(rows, key=itemgetter("job_id"))]
    taken = [event for events in await asyncio.gather(*map(send, jobs)) for event in events]
    await mark_published(pool, taken, now=now)
    return len(taken)


async def mark_published(pool: asyncpg.Pool, event_ids: Sequence[UUID], *, now: datetime) -> None:
    """Notes that the broker has these events."""
    if event_ids:
        await pool.execute(statement("mark_published"), event_ids, now)


def to_event(row: Mapping[str, Any]) -> Event:
    """The CloudEvent of an outbox row; the same each time it is sent."""
    return Event(
        id=str(row["id"]),
        source=row["source"],
        type=row["type"],
        subject=str(row["job_id"]),
        time=row["at"],
        data=row["data"],
        extensions={
            "sequence": str(row["sequence"]),
            "partitionkey": str(row["job_id"]),
            "traceparent": row["traceparent"],
        },
    )


class Outbox:
    """Sends what a request just wrote, after the request: publishing never stands in its way. What
    is written while the events before it are sent goes out together: a statement to claim them and
    one to mark them, however many."""

    def __init__(self, pool: asyncpg.Pool, publish: Publish, now: Callable[[], datetime]) -> None:
        self._pool = pool
        self._publish = publish
        self._now = now
        self._waiting: list[UUID] = []
        self._sending: asyncio.Task[None] | None = None

    def send_soon(self, event_ids: Collection[UUID]) -> None:
        """Starts to send these; whatever goes wrong, the rows stay due."""
        self._waiting += event_ids
        if self._waiting and (self._sending is None or self._sending.done()):
            self._sending = asyncio.create_task(self._send())

    async def close(self, grace: float = 5) -> None:
        """Waits a little for what is under way."""
        if self._sending is not None:
            await asyncio.wait([self._sending], timeout=grace)

    async def _send(self) -> None:
        while self._waiting:
            chosen, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
            try:
                await publish_events(self._pool, self._publish, now=self._now(), event_ids=chosen)
            except FAULTS as wrong:
                _log.warning("events stay in the outbox for now: %r", wrong)
