"""Publishing what transitions wrote: at least once, always with the id of the row.

An event is claimed, sent and marked in three steps that hold no transaction across HTTP. Whoever
dies in between leaves it claimed for some seconds; status-sync then sends it again.
"""

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any, Protocol
from uuid import UUID

import asyncpg

from common.events import Event
from common.postgres import FAULTS, statement

BATCH = 200

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
    """Sends the named events, or whatever is overdue, and returns how many the broker took."""
    if event_ids is not None and not event_ids:
        return 0
    chosen = None if event_ids is None else list(event_ids)
    rows = await pool.fetch(statement("claim_events"), now, chosen, BATCH)
    taken: list[UUID] = []
    for row in sorted(rows, key=itemgetter("job_id", "sequence")):
        if await publish(to_event(row)):
            taken.append(row["id"])
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
    """Sends what a request just wrote, after the request: publishing never stands in its way."""

    def __init__(self, pool: asyncpg.Pool, publish: Publish, now: Callable[[], datetime]) -> None:
        self._pool = pool
        self._publish = publish
        self._now = now
        self._sending: set[asyncio.Task[None]] = set()

    def send_soon(self, event_ids: Collection[UUID]) -> None:
        """Starts to send these; whatever goes wrong, the rows stay due."""
        if event_ids:
            task = asyncio.create_task(self._send(event_ids))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def close(self, grace: float = 5) -> None:
        """Waits a little for what is under way."""
        if self._sending:
            await asyncio.wait(self._sending, timeout=grace)

    async def _send(self, event_ids: Collection[UUID]) -> None:
        try:
            await publish_events(self._pool, self._publish, now=self._now(), event_ids=event_ids)
        except FAULTS as wrong:
            _log.warning("events stay in the outbox for now: %r", wrong)
