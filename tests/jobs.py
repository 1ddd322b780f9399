"""Jobs in every state, made the way the product makes them."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from common.jobs import submission, transition
from common.jobs.state import Status, Trigger
from common.jobs.submission import Submission
from common.jobs.transition import Applied, Failure, Intent
from common.postgres import transaction

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
PROJECT = UUID("11111111-1111-4111-8111-111111111111")
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

PATHS: dict[Status, tuple[Trigger, ...]] = {
    Status.PENDING: (),
    Status.QUEUED: (Trigger.LAUNCHED,),
    Status.RUNNING: (Trigger.LAUNCHED, Trigger.ALIVE),
    Status.SUCCEEDED: (Trigger.LAUNCHED, Trigger.ALIVE, Trigger.SUCCEEDED),
    Status.FAILED: (Trigger.LAUNCHED, Trigger.ALIVE, Trigger.FAILED),
    Status.CANCELLED: (Trigger.CANCEL_ASKED,),
}


def submission_of(**changes: Any) -> Submission:
    """A submission that passes every rule."""
    fields: dict[str, Any] = {
        "id": uuid4(),
        "project_id": PROJECT,
        "submitted_by": "ada",
        "name": "digits",
        "labels": {},
        "model_id": None,
        "dataset_id": None,
        "job_type": "from_scratch",
        "request": {"resolved": {}},
        "max_retries": 3,
        "backoff_seconds": 30,
        "stall_policy": "mark",
        "trace_id": TRACEPARENT.split("-")[1],
        "traceparent": TRACEPARENT,
        "auto_register": True,
        "output_model_name": f"model-{uuid4().hex[:8]}",
        "output_model_version": None,
    }
    return Submission(**(fields | changes))


def failure(**changes: Any) -> Failure:
    """A failure as the retry rules would give it."""
    return Failure(**({"error_class": "transient", "rule": "test", "not_before": NOW} | changes))


def intent_of(job_id: UUID, trigger: Trigger, attempt: int = 1, source: str = "test") -> Intent:
    """What a trigger needs beside its name."""
    failed = trigger in (Trigger.FAILED, Trigger.FAILED_RETRYABLE, Trigger.LAUNCH_REFUSED)
    return Intent(
        job_id, attempt, trigger, source, reason="as told", failure=failure() if failed else None
    )


async def make_job(
    pool: asyncpg.Pool, status: Status = Status.PENDING, *, cancelling: bool = False, **fields: Any
) -> UUID:
    """A job that has come to this state by transitions."""
    made = submission_of(**fields)
    async with transaction(pool) as connection:
        await submission.submit(connection, made, key=None, now=NOW)
    for trigger in PATHS[status]:
        assert isinstance(await apply(pool, intent_of(made.id, trigger)), Applied)
    if cancelling:
        await pool.execute("update jobs set cancel_requested_at = $2 where id = $1", made.id, NOW)
    return made.id


async def apply(
    pool: asyncpg.Pool, intent: Intent, now: datetime = NOW
) -> transition.Applied | transition.Refused:
    """One intent in a transaction of its own."""
    async with transaction(pool) as connection:
        (result,) = await transition.apply(connection, [intent], now=now)
    return result


async def make_dataset(pool: asyncpg.Pool) -> UUID:
    """A dataset's record, for jobs to name."""
    dataset_id = uuid4()
    await pool.execute(
        "insert into datasets (id, project_id, name, version, pii_scan_status, created_by,"
        " created_at, updated_at) values ($1, $2, $3, '1', 'pending', 'ada', $4, $4)",
        dataset_id,
        PROJECT,
        f"dataset-{dataset_id}",
        NOW,
    )
    return dataset_id


async def make_model(pool: asyncpg.Pool, model_id: UUID) -> UUID:
    """A catalog entry, for jobs to begin from."""
    await pool.execute(
        "insert into models (id, project_id, name, version, type, status, created_by,"
        " created_at, updated_at) values ($1, $2, $3, '1', 'base', 'draft', 'ada', $4, $4)",
        model_id,
        PROJECT,
        f"model-{model_id}",
        NOW,
    )
    return model_id
