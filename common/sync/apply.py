"""Writing what was decided: a constant number of statements for any number of jobs."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import asyncpg

from common.jobs import retry, transition
from common.jobs.retry import Evidence, Jitter, RetryRules
from common.jobs.state import Trigger
from common.jobs.transition import Failure, Intent, Standing
from common.postgres import Connection, statement, transaction
from common.sync.decision import Alive, Exceeded, Gone, Note, Stalled
from common.sync.observe import Key, Row

SOURCE = "status-sync"
Rules = Callable[[], RetryRules]


async def change(
    pool: asyncpg.Pool,
    changes: Sequence[Alive | Gone | Stalled | Exceeded],
    *,
    rules: RetryRules,
    now: datetime,
    jitter: Jitter,
) -> int:
    """Applies at most one change of state a job; how many were allowed."""
    if not changes:
        return 0
    async with transaction(pool) as connection:
        jobs = await transition.lock(connection, [c.row.key.job_id for c in changes])
        failing = [c.row.key for c in changes if isinstance(c, Exceeded)]
        progressed = await _progressed(connection, failing)
        intents = [
            _intent(c, jobs[c.row.key.job_id], c.row.key in progressed, rules, now, jitter)
            for c in changes
            if c.row.key.job_id in jobs
        ]
        results = await transition.apply(connection, intents, now=now)
    return sum(isinstance(result, transition.Applied) for result in results)


async def note(pool: asyncpg.Pool, notes: Sequence[Note], *, now: datetime) -> None:
    """Keeps what was seen, where the job still stands as it was seen."""
    if not notes:
        return
    rows: list[dict[str, Any]] = [
        {
            "job_id": n.row.key.job_id,
            "attempt": n.row.key.attempt,
            "status": n.row.status,
            "observed": n.observed,
            "waiting_for": n.waiting_for,
            "stalled_at": n.stalled_at,
            "first_bad_at": n.first_bad_at,
            "missing_since": n.missing_since,
        }
        for n in notes
    ]
    await pool.execute(statement("note_jobs"), rows, now)
    await pool.execute(statement("note_attempts"), rows)


async def note_missing(pool: asyncpg.Pool, rows: Collection[Row], since: datetime | None) -> None:
    """Keeps since when these attempts are not found, or that they are."""
    if rows:
        noted = [
            {
                "job_id": row.key.job_id,
                "attempt": row.key.attempt,
                "first_bad_at": row.first_bad_at,
                "missing_since": since,
            }
            for row in rows
        ]
        await pool.execute(statement("note_attempts"), noted)


async def _progressed(connection: Connection, keys: Sequence[Key]) -> set[Key]:
    if not keys:
        return set()
    rows = await connection.fetch(
        statement("attempts_progressed"), [k.job_id for k in keys], [k.attempt for k in keys]
    )
    return {Key(row["job_id"], row["attempt"]) for row in rows}


def _intent(
    decided: Alive | Gone | Stalled | Exceeded,
    job: Standing,
    progressed: bool,
    rules: RetryRules,
    now: datetime,
    jitter: Jitter,
) -> Intent:
    key = decided.row.key
    match decided:
        case Alive():
            return Intent(*key, Trigger.ALIVE, SOURCE)
        case Gone(reason=reason):
            return Intent(*key, Trigger.GONE, SOURCE, reason=reason)
        case Stalled(since=since, silent=silent):
            reason = "nothing was heard of it" if silent else "it made no progress"
            detail = {"since": since, "silent": silent}
            return Intent(*key, Trigger.STALLED, SOURCE, reason=reason, detail=detail)
        case Exceeded(evidence=evidence, reason=reason):
            seen = replace(evidence, progressed=progressed)
            trigger, failure = _failure(decided.row, job, seen, rules, now, jitter)
            return Intent(*key, trigger, SOURCE, reason=reason, failure=failure)


def _failure(
    row: Row, job: Standing, evidence: Evidence, rules: RetryRules, now: datetime, jitter: Jitter
) -> tuple[Trigger, Failure]:
    """By the rules, but for `stallPolicy: fail`, which the submitter chose instead of them."""
    if "Stalled" in evidence.reasons and row.stall_policy == "fail":
        shown = {"reasons": list(evidence.reasons)}
        advice = "Its log says what it did last; stallPolicy: restart would try it again"
        return Trigger.FAILED, Failure("user", "stall-policy", shown, advice=advice)
    return retry.failure(job, evidence, rules=rules, now=now, jitter=jitter)
