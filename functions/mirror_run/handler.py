"""Carries what attempts told to MLflow."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from common import answers
from common.errors import EventrainError, Unavailable
from common.jobs import work
from common.jobs.work import Item
from common.postgres import transaction
from common.storage.objects import Objects
from common.tracking import mirror
from common.tracking.carry import Tools, carry
from common.tracking.counterpart import ExperimentDeleted
from common.tracking.mirror import LeaseLost, Mirror
from common.tracking.mlflow import Mlflow

AT_ONCE = 4
LONGEST_DELAY = timedelta(minutes=1)
# What nobody foresaw, and what MLflow refuses, is tried so often.
MOST_TRIES = 8
# MLflow may be away for so long after the end of an attempt.
PATIENCE = timedelta(days=7)
OFF = "MLflow is off"


@dataclass(frozen=True)
class Deps:
    """Without `mlflow` there is none."""

    pool: asyncpg.Pool
    mlflow: Mlflow | None
    objects: Objects
    bucket: str
    now: Callable[[], datetime]


async def mirror_run(job_id: UUID | None, *, deps: Deps) -> None:
    """Woken by the events of a job, or by status-sync for whatever is due. Carries each due attempt
    as far as there is something, and says when it is due again; what stands in the way puts it off
    and is felt by nobody. Emits nothing. Fails only without the database; what was claimed then is
    due again when its lease is over."""
    if job_id is not None:
        await mirror.hasten(deps.pool, job_id, now=deps.now())
    while deps.mlflow is None or not deps.mlflow.breaker.is_open:
        claimed_at = deps.now()
        async with transaction(deps.pool) as connection:
            claimed = await work.claim(
                connection, "mirror", now=claimed_at, job_id=job_id, limit=AT_ONCE
            )
        if not claimed:
            return
        await asyncio.gather(*(_carry(each, claimed_at, deps) for each in claimed))


async def _carry(item: Item, claimed_at: datetime, deps: Deps) -> None:
    if deps.mlflow is None:
        await _give_up(item, OFF, deps)
        return
    of = await mirror.claim(deps.pool, item, claimed_at=claimed_at)
    if of is None:
        await _finish(item, deps)
        return
    tools = Tools(deps.pool, deps.mlflow, deps.objects, deps.bucket, deps.now)
    try:
        again_at = await carry(of, tools)
    except LeaseLost:
        return
    except Exception as wrong:  # noqa: BLE001 - each is told by a row
        await _put_off(of, wrong, deps)
        return
    if again_at is None:
        await _finish(item, deps)
    else:
        await mirror.rest(deps.pool, of, again_at)


async def _finish(item: Item, deps: Deps) -> None:
    async with transaction(deps.pool) as connection:
        await work.finish(connection, item, now=deps.now())


async def _put_off(of: Mirror, wrong: Exception, deps: Deps) -> None:
    now, item = deps.now(), of.item
    reason = f"{type(wrong).__name__}: {wrong}"
    temporary = isinstance(wrong, Unavailable) or answers.is_temporary(wrong)
    if not (temporary or isinstance(wrong, EventrainError | ExperimentDeleted)):
        answers.log(wrong)
    ended_at: datetime | None = of.job["ended_at"]
    too_long = ended_at is not None and now - ended_at > PATIENCE
    if too_long or (not temporary and item.tries >= MOST_TRIES):
        await _give_up(item, reason, deps)
        return
    delay = min(timedelta(seconds=2 ** min(item.tries, 10)), LONGEST_DELAY)
    await mirror.put_off(deps.pool, of, reason, now + delay, now=now)


async def _give_up(item: Item, reason: str, deps: Deps) -> None:
    now = deps.now()
    async with transaction(deps.pool) as connection:
        await mirror.give_up(connection, (item.job_id, item.attempt), reason, now=now)
        await work.give_up(connection, item, reason, now=now)
