"""Attempts that tell of experiment runs, as trainers do."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import msgspec

from common.jobs import report
from common.jobs.report import Report
from common.jobs.state import Status, Trigger
from common.jobs.transition import Intent
from common.postgres import statement, transaction
from common.tracking import fold, mirror
from tests.jobs import NOW, apply, failure, make_job

MAIN, CHILD = "a" * 32, "b" * 32
MODEL = "m-" + "c" * 32


async def tracked_job(pool: asyncpg.Pool, **fields: Any) -> UUID:
    """A running job whose attempt is to be carried."""
    job_id = await make_job(pool, Status.RUNNING, **fields)
    await mirror.begin(pool, [(job_id, 1)], now=NOW)
    return job_id


async def tell_points(
    pool: asyncpg.Pool, job_id: UUID, steps: Sequence[int], *, sequence: int, attempt: int = 1
) -> None:
    """A heartbeat with a point of `loss` for each step, a second apart."""
    points = [{"name": "loss", "value": 1 / (s + 1), "step": s, "time": time_of(s)} for s in steps]
    await tell_body(pool, job_id, {"sequence": sequence, "points": points}, attempt=attempt)


async def tell_body(
    pool: asyncpg.Pool, job_id: UUID, body: Mapping[str, Any], *, attempt: int = 1
) -> None:
    """A heartbeat as it came in."""
    await pool.execute(
        statement("record_heartbeats"),
        [job_id],
        [attempt],
        [body["sequence"]],
        [""],
        [msgspec.json.encode(body).decode()],
        NOW,
    )


async def tell(pool: asyncpg.Pool, job_id: UUID, *ops: Mapping[str, Any], attempt: int = 1) -> None:
    """A report of what a program said to MLflow."""
    told = Report(job_id, attempt, uuid4().hex, "mlflow", {"ops": ops}, NOW)
    async with transaction(pool) as connection:
        await report.record(connection, told, now=NOW)
        await fold.fold(connection, job_id, attempt, told.payload, now=NOW)


def run_op(run: str = MAIN, **fields: Any) -> dict[str, Any]:
    base = {"op": "run", "run": run, "name": f"run {run[0]}", "parent": None, "main": run == MAIN}
    return base | {"startTime": milliseconds(0), "tags": {}} | fields


async def end(
    pool: asyncpg.Pool,
    job_id: UUID,
    trigger: Trigger = Trigger.SUCCEEDED,
    *,
    attempt: int = 1,
    at: datetime = NOW,
) -> None:
    failed = trigger is not Trigger.SUCCEEDED
    await apply(
        pool,
        Intent(job_id, attempt, trigger, "test", failure=failure() if failed else None),
        at,
    )


def instant(second: int) -> datetime:
    return NOW + timedelta(seconds=second)


def time_of(second: int) -> str:
    return instant(second).isoformat()


def milliseconds(second: int) -> int:
    return int(instant(second).timestamp() * 1000)


def history_of(steps: Sequence[int]) -> list[tuple[int, float, int]]:
    """What MLflow must tell of these points."""
    return [(s, 1 / (s + 1), milliseconds(s)) for s in steps]
