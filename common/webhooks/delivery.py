"""Deliveries: a row for each event and address, kept until it was taken or given up.

The row is written by `insert_events`, in the transaction of what it tells of. A claim leases it for
longer than any try can take, so that no two instances send it at once; whoever dies gives it back
by dying. So a receiver may get a delivery twice, under the same id.
"""

import random
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from common import cursor
from common.cursor import Instant
from common.events import JSON, STRUCTURED, Event
from common.jobs import outbox
from common.jobs.reading import Page
from common.postgres import Queryable, statement
from common.webhooks.post import Answer

LEASE = timedelta(seconds=60)
FIRST_DELAY = timedelta(seconds=10)
LONGEST_DELAY = timedelta(hours=1)
SPREAD = 0.2
# With these delays, somewhat more than seven hours.
MOST_TRIES = 16
TEST = "webhook.tested"

Row = Mapping[str, Any]
Jitter = Callable[[], float]


@dataclass(frozen=True)
class Delivery:
    """One claimed delivery: what is sent where, and by which lease."""

    id: UUID
    url: str
    tries: int
    leased_until: datetime
    body: bytes
    event: str
    secrets: tuple[str, ...]
    is_test: bool = False
    lost: str | None = None


@dataclass(frozen=True)
class Wanted:
    """What a list of deliveries is narrowed to; None narrows nothing."""

    projects: Collection[UUID]
    webhook_id: UUID | None = None
    job_id: UUID | None = None
    state: str | None = None


async def claim(
    connection: Queryable, *, now: datetime, limit: int, job_id: UUID | None = None
) -> Sequence[Delivery]:
    """Takes what is due, of one job or of any."""
    rows = await connection.fetch(statement("claim_deliveries"), now, job_id, limit, LEASE)
    return [_delivery(row, now) for row in rows]


async def note(
    connection: Queryable,
    delivery: Delivery,
    answer: Answer,
    *,
    now: datetime,
    jitter: Jitter = random.random,
) -> None:
    """Keeps what came of the try, as long as the lease is still ours: delivered, failed for good,
    or later."""
    over = answer.final or delivery.is_test or delivery.tries >= MOST_TRIES
    state = "delivered" if answer.taken else "failed" if over else "due"
    next_at = now + delay(delivery.tries, jitter)
    tried: dict[str, Any] = {"at": now, "code": answer.code, "error": answer.error}
    tried["seconds"] = round(answer.seconds, 3)
    await connection.execute(
        statement("note_delivery"), delivery.id, delivery.leased_until, state, next_at, now, [tried]
    )


def delay(tries: int, jitter: Jitter) -> timedelta:
    """min(10 s x 2^(tries - 1), 1 h), a fifth more or less."""
    exponential = FIRST_DELAY * 2 ** min(tries - 1, MOST_TRIES)
    return min(exponential, LONGEST_DELAY) * (1 - SPREAD + 2 * SPREAD * jitter())


async def list_deliveries(
    connection: Queryable, wanted: Wanted, *, limit: int, after: str | None
) -> Page:
    """A page, the newest first. Raises Invalid for a bad cursor."""
    place = cursor.read(after, tuple[Instant, UUID]) or (None, None)
    rows = await connection.fetch(
        statement("list_deliveries"),
        list(wanted.projects),
        wanted.webhook_id,
        wanted.job_id,
        wanted.state,
        *place,
        limit + 1,
    )
    shown = rows[:limit]
    more = len(rows) > limit
    following = cursor.write(shown[-1]["created_at"], shown[-1]["id"]) if more else None
    return Page(shown, following)


async def find(connection: Queryable, delivery_id: UUID) -> Row | None:
    """One delivery."""
    return await connection.fetchrow(statement("read_delivery"), delivery_id)


async def redeliver(connection: Queryable, delivery_id: UUID, *, now: datetime) -> Row | None:
    """Due at once and as often as a new one, under the same id; None while it is being sent."""
    return await connection.fetchrow(statement("redeliver"), delivery_id, now)


async def add_test(connection: Queryable, row: Row, delivery_id: UUID, *, now: datetime) -> Row:
    """A delivery that tells a webhook of nothing, tried once."""
    made = await connection.fetchrow(
        statement("insert_test_delivery"),
        delivery_id,
        row["project_id"],
        row["id"],
        TEST,
        row["url"],
        now,
    )
    assert made is not None
    return made


async def any_due(connection: Queryable, *, now: datetime) -> bool:
    """Whether somebody should be woken."""
    return bool(await connection.fetchval(statement("any_delivery_due"), now))


def _delivery(row: Row, now: datetime) -> Delivery:
    former = row["former_until"] is not None and now < row["former_until"]
    secrets = (row["secret"], row["former_secret"] if former else None)
    return Delivery(
        id=row["delivery_id"],
        url=row["url"],
        tries=row["delivery_tries"],
        leased_until=row["leased_until"],
        body=_body(row),
        event=row["event_type"].removeprefix("dev.eventrain.").removesuffix(".v1"),
        secrets=tuple(each for each in secrets if each),
        is_test=row["event_id"] is None,
        lost=_lost(row),
    )


def _lost(row: Row) -> str | None:
    if row["webhook_id"] is not None and row["secret"] is None:
        return "the webhook was deleted"
    if row["event_id"] is not None and row["id"] is None:
        return "the event is no longer kept"
    return None


def _body(row: Row) -> bytes:
    """The event as the broker has it, in structured mode; the same bytes at each try."""
    if row["id"] is not None:
        return _structured(outbox.to_event(row))
    tested = Event(
        id=str(row["delivery_id"]),
        source="webhooks",
        type=f"dev.eventrain.{TEST}.v1",
        subject=str(row["webhook_id"]),
        time=row["created_at"],
        data={"webhookId": row["webhook_id"], "projectId": row["project_id"]},
    )
    return _structured(tested)


def _structured(event: Event) -> bytes:
    attributes: dict[str, Any] = {
        "specversion": "1.0",
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "subject": event.subject,
        "time": event.time,
        "datacontenttype": JSON,
        **event.extensions,
        "data": event.data,
    }
    return msgspec.json.encode(attributes)


CONTENT_TYPE = STRUCTURED
