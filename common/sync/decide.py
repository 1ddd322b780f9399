"""What is to be done about what there is. Pure: rows, Jobs, pods and the time in, decisions out.

Absence is the weakest evidence: it only raises a suspicion, and when much is absent at once the
listing is not believed at all. Silence fails nobody.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from common.jobs.retry import Evidence
from common.jobs.state import Status
from common.sync import waiting
from common.sync.decision import (
    Alert,
    Alive,
    Decision,
    DeleteJob,
    Ended,
    Exceeded,
    Gone,
    Note,
    Reissue,
    Settle,
    SetTtl,
    Stalled,
    StopPod,
    Suspect,
)  # fmt: skip
from common.sync.observe import Key, Past, Row, SeenJob, SeenPod
from common.tokens.job_token import LIFETIME

END_GRACE = timedelta(seconds=30)
SECRET_PATIENCE = timedelta(minutes=5)
VANISHED_AT_LEAST = 5
SEVERAL = 2
VANISHED_SHARE = 0.1


@dataclass(frozen=True)
class Limits:
    """What the installation allows. `watched` is false when the last tick was so long ago that
    what was bad then may have been well in between."""

    stall_after: timedelta
    cancel_grace: timedelta
    start_limit: timedelta
    watched: bool = True


def decide(
    rows: Sequence[Row],
    jobs: Mapping[Key, SeenJob],
    pods: Mapping[Key, SeenPod],
    pasts: Mapping[Key, Past],
    *,
    now: datetime,
    limits: Limits,
) -> list[Decision]:
    """At most one change of state a job; what else is to be done beside it."""
    alert = _alert(rows, jobs)
    if alert is not None:
        return [alert, *(d for row in rows for d in _grace_over(row, now, limits))]
    found: list[Decision] = []
    for row in rows:
        found += _about(row, jobs.get(row.key), pods.get(row.key), now, limits)
    live = {row.key for row in rows}
    for key in sorted({*jobs, *pasts} - live):
        found += _about_past(key, pasts.get(key, Past()), jobs.get(key), pods.get(key), now)
    return found


def _alert(rows: Sequence[Row], jobs: Mapping[Key, SeenJob]) -> Alert | None:
    """A few of many may well be gone. That there is nothing at all, not even a Job that is over,
    is how a wrong namespace looks."""
    launched = [row for row in rows if row.launched_at]
    absent = [row for row in launched if row.key not in jobs and row.missing_since is None]
    least = VANISHED_AT_LEAST if jobs else SEVERAL
    much = len(absent) >= least and len(absent) > VANISHED_SHARE * len(launched)
    return Alert(len(absent), len(launched)) if much else None


def _about(
    row: Row, job: SeenJob | None, pod: SeenPod | None, now: datetime, limits: Limits
) -> Iterator[Decision]:
    bad_since = _bad_since(row, pod, now, limits)
    yield from _note(row, job, pod, bad_since, now, limits)
    if row.cancel_requested_at is not None:
        yield from _cancelling(row, job, pod, now, limits)
        return
    change = _change(row, job, pod, bad_since, now, limits)
    if change is not None:
        yield change
    elif job is None and row.launched_at is not None:
        yield Suspect(row)
    elif job is not None and (pod or job.suspended) and _needs_token(row, pod, now):
        yield Reissue(row, job)


def _change(
    row: Row,
    job: SeenJob | None,
    pod: SeenPod | None,
    bad_since: datetime | None,
    now: datetime,
    limits: Limits,
) -> Ended | Exceeded | Alive | Stalled | None:
    if job and job.suspended and _was_taken_out(row, job, pod):
        return _taken_out(row, job, pod, now)
    if (pod and pod.ended) or (job and job.finished):
        return _ended(row, job, pod, now)
    if _ran(row, now) > row.max_duration:
        minutes = row.max_duration.total_seconds() / 60
        evidence = Evidence(reasons=("MaxDurationExceeded",))
        return Exceeded(row, evidence, f"ran longer than its maxDuration of {minutes:g} minutes")
    if bad_since and pod and pod.bad and now - bad_since > limits.start_limit:
        reason, message = pod.bad
        evidence = Evidence(reasons=(reason, "StartLimitExceeded"), message=message)
        return Exceeded(row, evidence, f"could not start: {reason} {message}".strip())
    if pod and pod.running and row.status is not Status.RUNNING:
        return Alive(row)
    return _stalled(row, now, limits)


def _was_taken_out(row: Row, job: SeenJob, pod: SeenPod | None) -> bool:
    ran = pod.ended if pod else row.status is Status.RUNNING
    return ran and not job.finished


def _taken_out(row: Row, job: SeenJob, pod: SeenPod | None, now: datetime) -> Ended:
    """The queue suspended what ran, to let others go first. Another attempt waits in its stead:
    the same one, admitted again, would begin without its checkpoint."""
    since = (pod.ended_at if pod else None) or job.suspended_at
    final = since is None or now - since >= END_GRACE
    evidence = Evidence(reasons=("Preempted",), node=pod.node if pod else None)
    return Ended(row, evidence, "the queue took it out to let others go first", pod, final)


def _ended(row: Row, job: SeenJob | None, pod: SeenPod | None, now: datetime) -> Ended:
    since = (pod.ended_at if pod else None) or (job.finished_at if job else None)
    final = since is None or now - since >= END_GRACE
    if pod is None or not pod.ended:
        assert job is not None
        if job.finished == "Complete":
            return Ended(row, _NO_RESULT, _WITHOUT_A_RESULT, None, final)
        earlier = (row.observed or {}).get("reasons") or []
        reasons = (*earlier, *([job.reason] if job.reason else []), "PodVanished")
        evidence = Evidence(reasons=reasons, message=job.message)
        return Ended(row, evidence, f"its pod is gone: {job.reason}", None, final)
    if pod.phase == "Succeeded":
        return Ended(row, _NO_RESULT, _WITHOUT_A_RESULT, pod, final)
    if pod.bad is not None and pod.exit_code is None:
        reason, message = pod.bad
        evidence = Evidence(reasons=(reason, "StartLimitExceeded"), message=message)
        return Ended(row, evidence, f"could not start: {reason} {message}".strip(), pod, final)
    evidence = Evidence(None, pod.exit_code, pod.reasons, pod.message, node=pod.node)
    return Ended(row, evidence, _story(pod), pod, final)


def _story(pod: SeenPod) -> str:
    reasons = ", ".join(pod.reasons)
    exited = f"exit code {pod.exit_code}" if pod.exit_code is not None else ""
    said = "; ".join(part for part in (reasons, exited, pod.message or "") if part)
    return f"ended without a result: {said or 'its pod failed'}"


def _stalled(row: Row, now: datetime, limits: Limits) -> Stalled | Exceeded | None:
    since = _standing_still_since(row)
    if since is None or now - since <= limits.stall_after:
        return None
    silent = row.last_seen is None or now - row.last_seen > limits.stall_after
    if row.stalled_at is None:
        return Stalled(row, since, silent)
    if silent or row.stall_policy == "mark":
        return None
    evidence = Evidence(reasons=("Stalled",))
    return Exceeded(row, evidence, f"made no progress since {since.isoformat()}")


def _standing_still_since(row: Row) -> datetime | None:
    """Where a trainer tells how far it is, its last progress; else when it was last heard."""
    if row.status is not Status.RUNNING or row.run_started_at is None:
        return None
    heard = row.progressed_at if row.tells else row.last_seen
    return max(heard or row.run_started_at, row.run_started_at)


def _ran(row: Row, now: datetime) -> timedelta:
    running = now - row.run_started_at if row.run_started_at else timedelta()
    return running + timedelta(seconds=row.ran_seconds)


def _cancelling(
    row: Row, job: SeenJob | None, pod: SeenPod | None, now: datetime, limits: Limits
) -> Iterator[Decision]:
    if pod is not None and not pod.ended:
        if not pod.deleting:
            yield StopPod(pod)
        yield from _grace_over(row, now, limits)
    elif job is not None:
        if not job.finished:
            yield DeleteJob(job)
        yield Gone(row, "cancelled; its pod is gone")
    else:
        yield from _grace_over(row, now, limits)


def _grace_over(row: Row, now: datetime, limits: Limits) -> Iterator[Decision]:
    asked = row.cancel_requested_at
    if asked is not None and now - asked >= limits.cancel_grace:
        yield Gone(row, "cancelled; its grace is over")


def _needs_token(row: Row, pod: SeenPod | None, now: datetime) -> bool:
    """Past half of the token's life, or where a pod waits so long that its Secret may be lost."""
    if row.token_issued_at is None or row.launched_at is None:
        return False
    waits = pod is not None and pod.creating
    return now - row.token_issued_at > (SECRET_PATIENCE if waits else LIFETIME / 2)


def _bad_since(row: Row, pod: SeenPod | None, now: datetime, limits: Limits) -> datetime | None:
    """Since when each look found the pod unable to start."""
    if pod is None or pod.bad is None or row.status is Status.RUNNING:
        return None
    return row.first_bad_at if row.first_bad_at and limits.watched else now


def _note(
    row: Row,
    job: SeenJob | None,
    pod: SeenPod | None,
    bad_since: datetime | None,
    now: datetime,
    limits: Limits,
) -> Iterator[Note]:
    observed = _observed(row, job, pod, now) if job or pod else row.observed
    waiting_for = row.waiting_for
    if row.status is not Status.PENDING:
        waiting_for = waiting.waiting_for(job, pod, limits.start_limit)
    missing_since = None if job else row.missing_since
    since = _standing_still_since(row)
    moving = since is not None and now - since <= limits.stall_after
    stalled_at = None if moving else row.stalled_at
    was = (row.observed, row.waiting_for, row.first_bad_at, row.missing_since, row.stalled_at)
    becomes = (observed, waiting_for, bad_since, missing_since, stalled_at)
    if was != becomes:
        yield Note(row, *becomes)


def _observed(row: Row, job: SeenJob | None, pod: SeenPod | None, now: datetime) -> dict[str, Any]:
    """What Kubernetes shows, and since when we see it so."""
    shown, before = _shown(job, pod), row.observed or {}
    same = shown == {name: value for name, value in before.items() if name != "since"}
    return before if same else shown | {"since": now.isoformat()}


def _shown(job: SeenJob | None, pod: SeenPod | None) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    if job is not None:
        suspended = "suspended" if job.suspended else "active"
        shown["job"] = (job.finished or suspended).lower()
    if pod is not None:
        reason, message = pod.bad or (None, pod.message)
        shown |= {"phase": pod.phase, "node": pod.node, "exitCode": pod.exit_code}
        shown |= {"reason": reason, "message": message, "reasons": list(pod.reasons) or None}
        shown["terminating"] = pod.deleting or None
    return {name: value for name, value in shown.items() if value is not None}


def _about_past(
    key: Key, past: Past, job: SeenJob | None, pod: SeenPod | None, now: datetime
) -> Iterator[Decision]:
    if past.live:
        return
    recent = past.ended_at is not None and now - past.ended_at < END_GRACE
    if job is None:
        if past.known and past.settled_at is None and not recent:
            yield Settle(key, pod)
        return
    if not job.finished and past.told and recent:
        return
    if past.known and past.settled_at is None:
        yield Settle(key, pod)
    if not job.finished and not job.deleting:
        yield DeleteJob(job)
    elif job.finished and job.ttl is None and (past.settled_at or not past.known):
        yield SetTtl(job)


_WITHOUT_A_RESULT = "ended without a result"
_NO_RESULT = Evidence(exit_code=0, reasons=("EndedWithoutResult",))
