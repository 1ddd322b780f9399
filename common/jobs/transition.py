"""The only code that changes a job's state.

`apply` takes what happened to some jobs and, in the caller's transaction, locks their rows in id
order, looks each up in the table of state.py, and writes all that follows from it in a constant
number of statements: the guarded change of the row, its events, its attempt, its fence, its work.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal
from uuid import UUID, uuid4

from common.jobs.state import TERMINAL, Rule, Status, Trigger, find_rule
from common.postgres import Connection, statement
from eventing.catalogue import EventType

ErrorClass = Literal["transient", "permanent", "user"]
FAILURES = (Trigger.FAILED, Trigger.FAILED_RETRYABLE, Trigger.LAUNCH_REFUSED)


@dataclass(frozen=True)
class Failure:
    """Why an attempt failed, by which rule, on what evidence, what that leaves, and what a person
    can do."""

    error_class: ErrorClass
    rule: str
    evidence: dict[str, Any] = field(default_factory=dict[str, Any])
    exit_code: int | None = None
    budget: Literal["retries", "preemptions"] = "retries"
    budget_left: int = 0
    not_before: datetime | None = None
    progressed: bool = False
    advice: str | None = None


@dataclass(frozen=True)
class Intent:
    """What happened to one attempt of a job, as `source` saw it."""

    job_id: UUID
    attempt: int
    trigger: Trigger
    source: str
    reason: str | None = None
    detail: dict[str, Any] = field(default_factory=dict[str, Any])
    failure: Failure | None = None
    done: dict[str, Any] | None = None
    by: str | None = None


@dataclass(frozen=True)
class Standing:
    """A job's row, locked: all that a transition decides on."""

    id: UUID
    project_id: UUID
    status: Status
    attempt: int
    retry_count: int
    preemption_count: int
    max_retries: int
    backoff_seconds: int
    sequence: int
    cancel_requested_at: datetime | None
    run_started_at: datetime | None
    ran_seconds: float
    auto_register: bool
    traceparent: str
    stall_policy: str
    stalled_at: datetime | None
    output_model_name: str
    output_model_version: str
    output_model_storage_uri: str | None

    @property
    def cancelling(self) -> bool:
        return self.cancel_requested_at is not None


@dataclass(frozen=True)
class Applied:
    """The job before and after, and the events that tell of it."""

    before: Standing
    after: Standing
    event_ids: tuple[UUID, ...]


@dataclass(frozen=True)
class Refused:
    """Nothing changed, and why: no such job, another attempt's word, or not in the table."""

    why: Literal["missing", "stale", "not allowed"]
    job: Standing | None = None


Result = Applied | Refused


async def lock(connection: Connection, job_ids: Sequence[UUID]) -> dict[UUID, Standing]:
    """The jobs that exist, locked until the transaction ends."""
    rows = await connection.fetch(statement("lock_jobs"), sorted(set(job_ids)))
    return {row["id"]: _standing(row) for row in rows}


def _standing(row: Mapping[str, Any]) -> Standing:
    fields: dict[str, Any] = dict(row)
    fields["status"] = Status(fields["status"])
    return Standing(**fields)


async def apply(
    connection: Connection, intents: Sequence[Intent], *, now: datetime
) -> list[Result]:
    """Applies at most one intent a job; the results come in the order of the intents."""
    if not intents:
        return []
    jobs = await lock(connection, [intent.job_id for intent in intents])
    results = [_decide(jobs.get(intent.job_id), intent, now) for intent in intents]
    steps = [step for step in results if isinstance(step, _Step)]
    if steps:
        await _write(connection, steps, now)
    return [step.applied() if isinstance(step, _Step) else step for step in results]


@dataclass(frozen=True)
class _Step:
    intent: Intent
    rule: Rule
    before: Standing
    after: Standing
    events: tuple[dict[str, Any], ...]

    def applied(self) -> Applied:
        return Applied(self.before, self.after, tuple(event["id"] for event in self.events))

    @property
    def ends_attempt(self) -> bool:
        retried = self.after.attempt != self.before.attempt
        return retried or self.after.status in TERMINAL


def _decide(job: Standing | None, intent: Intent, now: datetime) -> "_Step | Refused":
    if job is None:
        return Refused("missing")
    if job.attempt != intent.attempt:
        return Refused("stale" if intent.attempt < job.attempt else "not allowed", job)
    rule = find_rule(job.status, intent.trigger, cancelling=job.cancelling)
    if rule is None or (intent.trigger is Trigger.STALLED and job.stalled_at):
        return Refused("not allowed", job)
    after = _advance(job, rule, intent, now)
    return _Step(intent, rule, job, after, tuple(_events(job, after, rule, intent, now)))


def _advance(job: Standing, rule: Rule, intent: Intent, now: datetime) -> Standing:
    after = replace(job, status=rule.target, sequence=job.sequence + len(rule.emits))
    if rule.target is Status.RUNNING and job.status is not Status.RUNNING:
        return replace(after, run_started_at=now)
    if intent.trigger is Trigger.STALLED:
        return replace(after, stalled_at=now)
    if intent.trigger is Trigger.CANCEL_ASKED:
        after = replace(after, cancel_requested_at=now)
    retried = rule.emits == (EventType.JOB_RETRY_SCHEDULED,)
    if not retried and rule.target not in TERMINAL:
        return after
    ran = (now - job.run_started_at).total_seconds() if job.run_started_at else 0.0
    after = replace(after, run_started_at=None, ran_seconds=job.ran_seconds + max(ran, 0.0))
    return _tried_again(after, intent) if retried else after


def _tried_again(job: Standing, intent: Intent) -> Standing:
    assert intent.failure is not None
    preempted = intent.failure.budget == "preemptions"
    spent = 0 if intent.failure.progressed else job.preemption_count
    return replace(
        job,
        attempt=job.attempt + 1,
        retry_count=job.retry_count + (0 if preempted else 1),
        preemption_count=spent + (1 if preempted else 0),
        stalled_at=None,
    )


def _events(
    job: Standing, after: Standing, rule: Rule, intent: Intent, now: datetime
) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []
    stages = _stages(job.status, rule)
    for number, (kind, (was, becomes)) in enumerate(zip(rule.emits, stages, strict=True), 1):
        data = {"jobId": job.id, "projectId": job.project_id, "attempt": job.attempt}
        data |= {"status": becomes, "at": now, "reason": intent.reason}
        events.append(
            {
                "id": uuid4(),
                "job_id": job.id,
                "sequence": job.sequence + number,
                "type": kind,
                "source": intent.source,
                "at": now,
                "attempt": job.attempt,
                "status_from": was,
                "status_to": becomes,
                "data": data | _particulars(kind, after, intent),
                "traceparent": job.traceparent,
            }
        )
    return events


def _stages(status: Status, rule: Rule) -> list[tuple[Status, Status]]:
    if len(rule.emits) == 1:
        return [(status, rule.target)]
    return [(Status.PENDING, Status.QUEUED), (Status.QUEUED, Status.RUNNING)]


def _particulars(kind: EventType, after: Standing, intent: Intent) -> dict[str, Any]:
    found = dict(intent.detail)
    if intent.by is not None:
        found["by"] = intent.by
    if kind == EventType.JOB_SUCCEEDED:
        found["autoRegister"] = after.auto_register
    if intent.failure is not None:
        failure = intent.failure
        found |= {"errorClass": failure.error_class, "rule": failure.rule}
        found |= {"evidence": failure.evidence, "exitCode": failure.exit_code}
        if kind == EventType.JOB_RETRY_SCHEDULED:
            found |= {"nextAttempt": after.attempt, "notBefore": failure.not_before}
            found |= {"budgetLeft": failure.budget_left, "class": failure.error_class}
    return found


async def _write(connection: Connection, steps: Sequence[_Step], now: datetime) -> None:
    changed = await connection.fetch(statement("change_jobs"), [_job(s, now) for s in steps])
    if len(changed) != len(steps):
        raise AssertionError("a locked job changed under its lock")
    await connection.execute(
        statement("insert_events"), [event for step in steps for event in step.events]
    )
    await connection.execute(statement("change_attempts"), [_attempt(s, now) for s in steps])
    retried = [s for s in steps if s.after.attempt != s.before.attempt]
    if retried:
        await connection.execute(statement("insert_attempts"), [_next(s, now) for s in retried])
    await connection.execute(statement("change_beats"), [_beat(s) for s in steps])
    await _write_work(connection, steps, now)


async def _write_work(connection: Connection, steps: Sequence[_Step], now: datetime) -> None:
    items = [item for step in steps for item in _work(step, now)]
    if items:
        await connection.execute(statement("insert_work"), items)
    moved = [s.after.id for s in steps if s.after.status is not s.before.status or s.ends_attempt]
    if moved:
        await connection.execute(statement("settle_launches"), moved, now)
    lost = [s.after.id for s in steps if s.after.status in (Status.FAILED, Status.CANCELLED)]
    if lost:
        await connection.execute(statement("release_reservations"), lost)


def _job(step: _Step, now: datetime) -> dict[str, Any]:
    before, after, failure = step.before, step.after, step.intent.failure
    retried = after.attempt != before.attempt
    ended = after.status in TERMINAL
    asked = step.intent.trigger is Trigger.CANCEL_ASKED
    return {
        "id": before.id,
        "was_status": before.status,
        "was_attempt": before.attempt,
        "was_sequence": before.sequence,
        "status": after.status,
        "attempt": after.attempt,
        "retry_count": after.retry_count,
        "preemption_count": after.preemption_count,
        "sequence": after.sequence,
        "not_before": failure.not_before if retried and failure else None,
        "status_reason": _explained(step.intent),
        "waiting_for": None,
        "relaunched": retried,
        "queued_at": now if EventType.JOB_QUEUED in step.rule.emits else None,
        "started_at": now if EventType.JOB_STARTED in step.rule.emits else None,
        "run_started_at": after.run_started_at,
        "ran_seconds": after.ran_seconds,
        "completed_at": now if ended else None,
        "stalled_at": after.stalled_at,
        "cancel_requested_at": now if asked else None,
        "cancel_requested_by": step.intent.by if asked else None,
    }


def _explained(intent: Intent) -> str | None:
    """What happened and, of a failure, what to do."""
    advice = intent.failure.advice if intent.failure else None
    if not advice:
        return intent.reason
    return f"{intent.reason.rstrip('.')}. {advice}." if intent.reason else f"{advice}."


def _attempt(step: _Step, now: datetime) -> dict[str, Any]:
    row: dict[str, Any] = {"job_id": step.before.id, "attempt": step.before.attempt}
    if EventType.JOB_QUEUED in step.rule.emits:
        row["launched_at"] = now
    if EventType.JOB_STARTED in step.rule.emits:
        row["started_at"] = now
    if not step.ends_attempt:
        return row
    failure = step.intent.failure
    outcome = Status.FAILED if step.after.status not in TERMINAL else step.after.status
    row |= {"ended_at": now, "outcome": outcome, "message": step.intent.reason}
    row |= {"done": step.intent.done, "stalled_at": step.before.stalled_at}
    if failure is not None:
        row |= {"error_class": failure.error_class, "rule": failure.rule}
        row |= {"evidence": failure.evidence, "budget_left": failure.budget_left}
        row["exit_code"] = failure.exit_code
    return row


def _next(step: _Step, now: datetime) -> dict[str, Any]:
    return {"job_id": step.after.id, "attempt": step.after.attempt, "created_at": now}


def _beat(step: _Step) -> dict[str, Any]:
    after = step.after
    ended = after.status in TERMINAL
    command = "stop" if ended else "checkpoint_and_stop" if after.cancelling else "continue"
    return {
        "job_id": after.id,
        "attempt": after.attempt,
        "open": not ended,
        "waiting": after.status in (Status.PENDING, Status.QUEUED),
        "command": command,
    }


def _work(step: _Step, now: datetime) -> list[dict[str, Any]]:
    after, failure = step.after, step.intent.failure
    row = {"job_id": after.id, "attempt": after.attempt, "created_at": now}
    if after.attempt != step.before.attempt:
        assert failure is not None
        return [row | {"kind": "launch", "next_at": failure.not_before or now}]
    if after.status is Status.SUCCEEDED and after.auto_register:
        return [row | {"kind": "register", "next_at": now}]
    return []
