"""The end of an attempt: what `done` says, whether the trainer says it or status-sync finds it.

Success, failure by class, or cancelled: the table decides under the row's lock. The same end told
again is answered as before and changes nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from common.errors import Conflict, NotFound, StaleAttempt
from common.jobs import report, retry, transition
from common.jobs.retry import Evidence, Jitter, RetryRules
from common.jobs.state import Status, Trigger
from common.jobs.transition import Applied, Intent, Standing
from common.postgres import Connection, statement


@dataclass(frozen=True)
class Ending:
    """How an attempt ended, what it left behind, and what was seen of it if it failed."""

    job_id: UUID
    attempt: int
    outcome: Literal["succeeded", "failed"]
    evidence: Evidence = field(default_factory=Evidence)
    message: str | None = None
    artifacts: Sequence[Mapping[str, Any]] = ()
    done: Mapping[str, Any] | None = None


async def end(
    connection: Connection,
    ending: Ending,
    *,
    source: str,
    rules: RetryRules,
    now: datetime,
    jitter: Jitter,
) -> tuple[UUID, ...]:
    """Ends the attempt in the caller's transaction; the ids of the events that tell of it, none
    for a repeat. Raises NotFound, StaleAttempt, and Conflict for another end than the first."""
    job = (await transition.lock(connection, [ending.job_id])).get(ending.job_id)
    if job is None:
        raise NotFound("There is no such job.")
    if not _is_open(job, ending):
        await _check_repeat(connection, job, ending)
        return ()
    alive = Intent(ending.job_id, ending.attempt, Trigger.ALIVE, source)
    first = await _apply(connection, alive, now)
    await report.add_artifacts(connection, ending.job_id, ending.attempt, ending.artifacts, now=now)
    intent = await _intent(connection, job, ending, source, rules, now, jitter)
    last = await _apply(connection, intent, now)
    return first + last


def _is_open(job: Standing, ending: Ending) -> bool:
    live = job.status in (Status.PENDING, Status.QUEUED, Status.RUNNING)
    return live and job.attempt == ending.attempt


async def _check_repeat(connection: Connection, job: Standing, ending: Ending) -> None:
    row = await connection.fetchrow(statement("read_attempt_end"), ending.job_id, ending.attempt)
    if row is not None and row["told"] == ending.outcome:
        return
    if ending.attempt != job.attempt:
        raise StaleAttempt
    raise Conflict(f"The job is {job.status} already.")


async def _intent(
    connection: Connection,
    job: Standing,
    ending: Ending,
    source: str,
    rules: RetryRules,
    now: datetime,
    jitter: Jitter,
) -> Intent:
    identity = (ending.job_id, ending.attempt)
    done = dict(ending.done) if ending.done is not None else None
    if ending.outcome == "succeeded":
        return Intent(*identity, Trigger.SUCCEEDED, source, reason=ending.message, done=done)
    progressed = await connection.fetchval(statement("attempt_progressed"), *identity)
    evidence = replace(ending.evidence, progressed=bool(progressed))
    trigger, failure = retry.failure(job, evidence, rules=rules, now=now, jitter=jitter)
    return Intent(
        *identity,
        trigger,
        source,
        reason=headline(ending.message) or f"the trainer failed ({failure.rule})",
        failure=failure,
        done=done,
    )


def headline(message: str | None) -> str | None:
    """The line that says what is wrong: the first, or of a bare traceback the last. The whole is
    kept as evidence."""
    lines = [line.strip() for line in (message or "").splitlines() if line.strip()]
    if not lines:
        return None
    return lines[-1] if lines[0].startswith("Traceback") else lines[0]


async def _apply(connection: Connection, intent: Intent, now: datetime) -> tuple[UUID, ...]:
    (result,) = await transition.apply(connection, [intent], now=now)
    return result.event_ids if isinstance(result, Applied) else ()
