"""An attempt's result.json: what its trainer would have told, had anybody been there to hear.

It is written by whoever holds the attempt's address, so it is read like any callback: by the same
types, behind the same fence.
"""

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, TypeVar

import asyncpg
import msgspec

from common import callback
from common.errors import EventrainError, Invalid, NotFound, TooLarge
from common.jobs import beat, ending, report
from common.jobs.beat import Beat
from common.jobs.retry import Jitter, RetryRules
from common.jobs.told import (
    Done,
    Event,
    Heartbeat,
    check_event,
    encode_beat,
    to_ending,
    to_report,
)
from common.postgres import transaction
from common.storage import address
from common.storage.objects import Objects
from common.sync.apply import SOURCE
from common.sync.observe import Key

T = TypeVar("T")

# Of each kind: the other jobs of a tick wait for them.
MOST = 10_000

_log = logging.getLogger(__name__)


class Result(msgspec.Struct):
    """The object; each part is read on its own, so that one broken part costs no other."""

    done: msgspec.Raw = msgspec.Raw()
    heartbeats: list[msgspec.Raw] = []
    events: list[msgspec.Raw] = []


class SpooledEvent(Event, kw_only=True):
    """An event with the id under which it would have been sent, which an index must hold."""

    id: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]


async def read_result(objects: Objects, key: Key) -> Result | None:
    """What the trainer left, or None where it left nothing that can be read. Raises what the
    store raises when it cannot be reached."""
    name = address.result_key(str(key.job_id), key.attempt)
    try:
        return msgspec.json.decode(await objects.get_bytes(name), type=Result)
    except NotFound:
        return None
    except (msgspec.MsgspecError, UnicodeError, RecursionError, TooLarge) as wrong:
        _log.warning("%s cannot be read: %s", name, wrong)
        return None


async def record(
    pool: asyncpg.Pool, key: Key, result: Result, *, bucket: str, now: datetime
) -> None:
    """Keeps what was not delivered, as far as the attempt's fence lets it pass."""
    heartbeats = [b for raw in _newest(result.heartbeats, key) if (b := _read(raw, Heartbeat))]
    rows = [Beat(*key, b.sequence, b.marker(), encode_beat(b)) for b in heartbeats]
    await _record_beats(pool, rows, now)
    for raw in _newest(result.events, key):
        event = _read(raw, SpooledEvent)
        if event is not None:
            await _record_event(pool, key, event, bucket, now)


async def end(
    pool: asyncpg.Pool,
    key: Key,
    result: Result,
    *,
    rules: RetryRules,
    now: datetime,
    jitter: Jitter,
    bucket: str,
) -> bool:
    """Ends the attempt as `done` would have; False where the result does not say how."""
    done = _read(result.done, Done) if bytes(result.done) else None
    if done is None:
        return False
    try:
        told = to_ending(done, job_id=key.job_id, attempt=key.attempt, prefix=_prefix(bucket, key))
    except Invalid as wrong:
        _log.warning("the result of %s/%s is refused: %s", *key, wrong.message)
        return False
    try:
        async with transaction(pool) as connection:
            await ending.end(connection, told, source=SOURCE, rules=rules, now=now, jitter=jitter)
    except EventrainError as wrong:
        _log.info("the result of %s/%s comes too late: %s", *key, wrong.message)
    return True


def _newest(told: Sequence[msgspec.Raw], key: Key) -> Sequence[msgspec.Raw]:
    if len(told) > MOST:
        _log.warning("of what %s/%s left, %s are dropped", *key, len(told) - MOST)
    return told[-MOST:]


async def _record_beats(pool: asyncpg.Pool, rows: Sequence[Beat], now: datetime) -> None:
    if not rows:
        return
    try:
        await beat.record(pool, rows, now=now)
    except asyncpg.DataError:
        half = len(rows) // 2
        if half:
            await _record_beats(pool, rows[:half], now)
            await _record_beats(pool, rows[half:], now)


async def _record_event(
    pool: asyncpg.Pool, key: Key, event: SpooledEvent, bucket: str, now: datetime
) -> None:
    event_key = f"/jobs/{key.job_id}/attempts/{key.attempt}|{event.id}"
    try:
        check_event(event, _prefix(bucket, key))
        told = to_report(event, job_id=key.job_id, attempt=key.attempt, event_key=event_key)
        async with transaction(pool) as connection:
            await report.keep(connection, told, now=now)
    except (EventrainError, asyncpg.DataError) as wrong:
        _log.info("an event of %s/%s is not kept: %s", *key, wrong)


def _prefix(bucket: str, key: Key) -> str:
    return f"s3://{bucket}/{address.attempt_prefix(str(key.job_id), key.attempt)}"


def _read(raw: msgspec.Raw, kind: type[T]) -> T | None:
    try:
        return callback.decode(raw, kind)
    except EventrainError as wrong:
        _log.warning("a part of a result cannot be read: %s", wrong.message)
        return None
