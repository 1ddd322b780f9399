"""The states of a job and every way from one to another.

`RULES` is the whole of it: what is not a rule is refused and changes nothing. Everything else
here is read off that table, and so is the diagram in the documentation.
"""

from dataclasses import dataclass
from enum import StrEnum

from eventing.catalogue import EventType


class Status(StrEnum):
    """Where a job stands. Live ones are moved on by callbacks, launch-job and status-sync."""

    PENDING = "pending"
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Trigger(StrEnum):
    """What can happen to a job."""

    LAUNCHED = "launched"
    LAUNCH_REFUSED = "launch refused"
    ALIVE = "alive"
    STALLED = "stalled"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    FAILED_RETRYABLE = "failed, retryable"
    CANCEL_ASKED = "cancel asked"
    GONE = "gone"


@dataclass(frozen=True)
class Rule:
    """From `source` on `trigger` to `target`, with one event each in `emits`, in order.

    `cancelling` says whether the rule holds while a cancel has been asked for; None: either way.
    """

    source: Status
    trigger: Trigger
    target: Status
    emits: tuple[EventType, ...]
    cancelling: bool | None = None


P, Q, R = Status.PENDING, Status.QUEUED, Status.RUNNING

RULES: tuple[Rule, ...] = (
    Rule(P, Trigger.LAUNCHED, Q, (EventType.JOB_QUEUED,)),
    Rule(P, Trigger.LAUNCH_REFUSED, Status.FAILED, (EventType.JOB_FAILED,), cancelling=False),
    Rule(P, Trigger.ALIVE, R, (EventType.JOB_QUEUED, EventType.JOB_STARTED)),
    Rule(Q, Trigger.ALIVE, R, (EventType.JOB_STARTED,)),
    Rule(R, Trigger.STALLED, R, (EventType.JOB_STALLED,), cancelling=False),
    *(Rule(s, Trigger.SUCCEEDED, Status.SUCCEEDED, (EventType.JOB_SUCCEEDED,)) for s in (P, Q, R)),
    *(
        Rule(s, Trigger.FAILED, Status.FAILED, (EventType.JOB_FAILED,), cancelling=False)
        for s in (P, Q, R)
    ),
    *(
        Rule(s, Trigger.FAILED_RETRYABLE, P, (EventType.JOB_RETRY_SCHEDULED,), cancelling=False)
        for s in (P, Q, R)
    ),
    Rule(P, Trigger.CANCEL_ASKED, Status.CANCELLED, (EventType.JOB_CANCELLED,), cancelling=False),
    Rule(Q, Trigger.CANCEL_ASKED, Q, (EventType.JOB_CANCEL_REQUESTED,), cancelling=False),
    Rule(R, Trigger.CANCEL_ASKED, R, (EventType.JOB_CANCEL_REQUESTED,), cancelling=False),
    *(
        Rule(s, t, Status.CANCELLED, (EventType.JOB_CANCELLED,), cancelling=True)
        for s in (P, Q, R)
        for t in (Trigger.GONE, Trigger.FAILED, Trigger.FAILED_RETRYABLE)
    ),
    Rule(P, Trigger.LAUNCH_REFUSED, Status.CANCELLED, (EventType.JOB_CANCELLED,), cancelling=True),
)

LIVE: frozenset[Status] = frozenset(rule.source for rule in RULES)
TERMINAL: frozenset[Status] = frozenset(Status) - LIVE


def find_rule(status: Status, trigger: Trigger, *, cancelling: bool) -> Rule | None:
    """The rule that applies, or None where the table has none."""
    for rule in RULES:
        if (rule.source, rule.trigger) == (status, trigger) and rule.cancelling in (
            None,
            cancelling,
        ):
            return rule
    return None
