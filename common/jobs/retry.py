"""Why an attempt failed, and whether another one may help.

The rules are configuration (retry-rules.yaml): the first that matches the evidence gives the class
and the budget that a retry is taken from. What that means for a job follows here: another attempt
after a delay while the budget lasts, or the end.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

import msgspec

from common.jobs.state import Trigger
from common.jobs.transition import ErrorClass, Failure, Standing

Budget = Literal["retries", "preemptions"]
Jitter = Callable[[], float]

LONGEST_DELAY = timedelta(minutes=15)
SPREAD = 0.2
LONGEST_EXPONENT = 20
SEARCHED = 64 * 1024


@dataclass(frozen=True)
class Evidence:
    """What was seen of an attempt's end. `reasons` are the words of Kubernetes or our own, in any
    order; `progressed` says that the attempt saved a checkpoint, so that nothing starts anew."""

    error_class: ErrorClass | None = None
    exit_code: int | None = None
    reasons: tuple[str, ...] = ()
    message: str | None = None
    log_tail: str | None = None
    node: str | None = None
    progressed: bool = False


class Verdict(NamedTuple):
    """The class of a failure, the rule that said so, the budget it draws on, the line of the log
    that the rule went by, and what a person can do about it."""

    error_class: ErrorClass
    rule: str
    budget: Budget
    line: str | None = None
    advice: str | None = None


class _When(msgspec.Struct, rename="camel", forbid_unknown_fields=True, frozen=True):
    error_class: ErrorClass | None = None
    reasons: list[str] = []
    exit_codes: list[int] = []
    log_pattern: str | None = None


class _Row(
    msgspec.Struct, rename={"error_class": "class"}, forbid_unknown_fields=True, frozen=True
):
    name: str
    when: _When
    error_class: ErrorClass
    budget: Budget = "retries"
    advice: str | None = None


class _Table(msgspec.Struct, rename="camel", forbid_unknown_fields=True, frozen=True):
    rules: list[_Row]
    preemption_budget: int = 10


class _Rule(NamedTuple):
    row: _Row
    pattern: re.Pattern[str] | None


_UNKNOWN = Verdict("permanent", "unknown", "retries")


@dataclass(frozen=True)
class RetryRules:
    """The table, ready to be asked."""

    rules: tuple[_Rule, ...]
    preemption_budget: int

    @classmethod
    def parse(cls, content: bytes) -> "RetryRules":
        """Reads retry-rules.yaml. Raises msgspec.MsgspecError or re.error for a broken one."""
        table = msgspec.yaml.decode(content, type=_Table)
        return cls(tuple(map(_compile, table.rules)), table.preemption_budget)

    def classify(self, evidence: Evidence) -> Verdict:
        """The first rule that matches; permanent where none does."""
        for rule in self.rules:
            verdict = _match(rule, evidence)
            if verdict is not None:
                return verdict
        return _UNKNOWN


def failure(
    job: Standing, evidence: Evidence, *, rules: RetryRules, now: datetime, jitter: Jitter
) -> tuple[Trigger, Failure]:
    """What the failure of a job's present attempt leads to. `jitter` gives numbers in [0, 1)."""
    verdict = rules.classify(evidence)
    used, allowed = _spent(job, verdict.budget, evidence, rules)
    again = verdict.error_class == "transient" and used < allowed and not job.cancelling
    found = Failure(
        error_class=verdict.error_class,
        rule=verdict.rule,
        evidence=_shown(evidence, verdict),
        exit_code=evidence.exit_code,
        budget=verdict.budget,
        budget_left=max(allowed - used - (1 if again else 0), 0),
        not_before=now + delay(job.backoff_seconds, used, jitter) if again else None,
        progressed=evidence.progressed,
        advice=verdict.advice,
    )
    return Trigger.FAILED_RETRYABLE if again else Trigger.FAILED, found


def delay(backoff_seconds: int, retries: int, jitter: Jitter) -> timedelta:
    """min(backoffSeconds x 2^retries, 15 minutes), a fifth more or less."""
    exponential = timedelta(seconds=backoff_seconds * 2 ** min(retries, LONGEST_EXPONENT))
    return min(exponential, LONGEST_DELAY) * (1 - SPREAD + 2 * SPREAD * jitter())


def _spent(job: Standing, budget: Budget, evidence: Evidence, rules: RetryRules) -> tuple[int, int]:
    if budget == "retries":
        return job.retry_count, job.max_retries
    return 0 if evidence.progressed else job.preemption_count, rules.preemption_budget


def _compile(row: _Row) -> _Rule:
    pattern = row.when.log_pattern
    return _Rule(row, re.compile(pattern) if pattern else None)


def _match(rule: _Rule, evidence: Evidence) -> Verdict | None:
    when, line = rule.row.when, None
    if when.error_class is not None and when.error_class != evidence.error_class:
        return None
    if when.reasons and not set(when.reasons) & set(evidence.reasons):
        return None
    if when.exit_codes and evidence.exit_code not in when.exit_codes:
        return None
    if rule.pattern is not None:
        line = _search(rule.pattern, evidence)
        if line is None:
            return None
    row = rule.row
    return Verdict(row.error_class, row.name, row.budget, line, row.advice)


def _search(pattern: re.Pattern[str], evidence: Evidence) -> str | None:
    for text in (evidence.message, evidence.log_tail):
        for line in reversed((text or "")[-SEARCHED:].splitlines()):
            if pattern.search(line):
                return line[:1000]
    return None


def _last_line(text: str | None) -> str | None:
    lines = (each.strip() for each in reversed((text or "")[-SEARCHED:].splitlines()))
    return next((each[:1000] for each in lines if each), None)


def _shown(evidence: Evidence, verdict: Verdict) -> dict[str, Any]:
    shown: Mapping[str, Any] = {
        "errorClass": evidence.error_class,
        "exitCode": evidence.exit_code,
        "reasons": list(evidence.reasons) or None,
        "message": evidence.message,
        "logLine": verdict.line or _last_line(evidence.log_tail),
        "node": evidence.node,
    }
    return {name: value for name, value in shown.items() if value is not None}
