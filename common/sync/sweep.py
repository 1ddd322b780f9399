"""Retention: what is old is deleted, a little at each sweep. What may be how old is said in one
place, retention.yaml."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Literal

import asyncpg
import msgspec

from common.postgres import statement
from common.storage import address
from common.storage.objects import Objects

STEP = 500
JOBS_IN_A_STEP = 20
SPACING = timedelta(hours=1)
UPLOADED = ("jobs/", "datasets/", "projects/", "models/")

Days = Annotated[float, msgspec.Meta(gt=0, le=36_500)]
Count = Annotated[int, msgspec.Meta(ge=0, le=1000)]


class Best(msgspec.Struct, rename="camel", forbid_unknown_fields=True, frozen=True):
    """By which metric a checkpoint is the best of its job."""

    metric: str = "loss"
    wanted: Literal["least", "most"] = "least"


class Retention(msgspec.Struct, rename="camel", forbid_unknown_fields=True, frozen=True):
    """For how many days things are kept, counted from the end of their job; the timeline and the
    artifacts stay with the job. Of a job that is over, so many of the newest checkpoints and the
    best one."""

    idempotency_keys_days: Days = 1
    finished_work_days: Days = 30
    heartbeats_days: Days = 90
    logs_days: Days = 90
    timeline_days: Days = 400
    unfinished_uploads_days: Days = 7
    checkpoints: Count = 3
    checkpoints_after_days: Days = 7
    best: Best = Best()


def parse(content: bytes) -> Retention:
    """Reads retention.yaml. Raises msgspec.MsgspecError."""
    return msgspec.yaml.decode(content, type=Retention)


async def sweep(
    pool: asyncpg.Pool, objects: Objects, retention: Retention, *, now: datetime
) -> bool:
    """One step of each kind; True where there is more to do."""

    def ago(days: float) -> datetime:
        return now - timedelta(days=days)

    steps: list[Callable[[], Awaitable[bool]]] = [
        lambda: _delete(pool, "sweep_idempotency_keys", ago(retention.idempotency_keys_days)),
        lambda: _delete(pool, "sweep_work", ago(retention.finished_work_days)),
        lambda: _delete(pool, "sweep_deliveries", ago(retention.finished_work_days)),
        lambda: _delete(pool, "sweep_timeline", ago(retention.timeline_days)),
        lambda: _delete_of_jobs(pool, "sweep_heartbeats", ago(retention.heartbeats_days)),
        lambda: _delete_of_jobs(pool, "sweep_log_reports", ago(retention.logs_days)),
        lambda: _logs(pool, objects, ago(retention.logs_days)),
        lambda: _checkpoints(pool, objects, retention, ago(retention.checkpoints_after_days)),
        *(
            partial(objects.abort_uploads, prefix, ago(retention.unfinished_uploads_days), STEP)
            for prefix in UPLOADED
        ),
    ]
    more = [await step() for step in steps]
    return any(more)


async def _delete(pool: asyncpg.Pool, name: str, before: datetime) -> bool:
    return len(await pool.fetch(statement(name), before, STEP)) == STEP


async def _delete_of_jobs(pool: asyncpg.Pool, name: str, before: datetime) -> bool:
    """History is deleted by whole jobs, for it is found by nothing else."""
    return bool(await pool.fetchval(statement(name), before, JOBS_IN_A_STEP))


async def _logs(pool: asyncpg.Pool, objects: Objects, before: datetime) -> bool:
    """The object first: a log without a row would never be found again."""
    rows = await pool.fetch(statement("old_logs"), before, STEP)
    for row in rows:
        await objects.delete(address.parse(row["log_uri"]).key)
    if rows:
        ids, attempts = [r["job_id"] for r in rows], [r["attempt"] for r in rows]
        await pool.execute(statement("forget_logs"), ids, attempts)
    return len(rows) == STEP


async def _checkpoints(
    pool: asyncpg.Pool, objects: Objects, retention: Retention, before: datetime
) -> bool:
    """The row first: an attempt must never be sent to a checkpoint that is gone."""
    sign = 1 if retention.best.wanted == "least" else -1
    rows = await pool.fetch(
        statement("sweep_checkpoints"),
        before,
        retention.checkpoints,
        retention.best.metric,
        sign,
        STEP,
    )
    for row in rows:
        await objects.delete(address.parse(row["uri"]).key)
    return len(rows) == STEP
