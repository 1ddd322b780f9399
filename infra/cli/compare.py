"""Jobs side by side: what was asked of each, what it ran, how long, and what came of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from eventrain_client.replies import Attempt, Job, Point

from infra.cli import words
from infra.cli.tables import by_name

if TYPE_CHECKING:
    from eventrain_client.client import Client

# Enough for the extremes, the last value and whatever is no number.
RESOLUTION = 100


@dataclass(frozen=True, slots=True)
class Side:
    job: Job
    attempts: list[Attempt]
    points: list[Point]


@dataclass(frozen=True, slots=True)
class Row:
    """One fact, of each job. What one of them does not have is None."""

    section: str
    name: str
    values: tuple[Any, ...]

    @property
    def differs(self) -> bool:
        first = self.values[0]
        return any(not _same(first, each) for each in self.values[1:])


def read_side(client: Client, job_id: str) -> Side:
    return Side(
        client.jobs.get(job_id),
        list(client.jobs.attempts(job_id)),
        client.jobs.metrics(job_id, resolution=RESOLUTION),
    )


def compare(sides: Sequence[Side], now: datetime | None = None) -> list[Row]:
    """Every fact that at least one of them has, in the order in which it is read."""
    at = now or datetime.now(UTC)
    parts: list[tuple[str, Callable[[Side], Mapping[str, Any]]]] = [
        ("job", _job),
        ("parameters", _parameters),
        ("resources", lambda side: flat(side.job.get("resourceProfile"))),
        ("code", _code),
        ("data", _data),
        ("durations", lambda side: _durations(side, at)),
        ("metrics", _metrics),
    ]
    rows: list[Row] = []
    for section, read in parts:
        found = [read(side) for side in sides]
        names = dict.fromkeys(name for facts in found for name in facts)
        rows += [Row(section, name, tuple(each.get(name) for each in found)) for name in names]
    return [row for row in rows if any(value is not None for value in row.values)]


def flat(value: Mapping[str, Any] | None, above: str = "") -> dict[str, Any]:
    """Nested objects by dotted names."""
    found: dict[str, Any] = {}
    for name, each in (value or {}).items():
        if isinstance(each, dict) and each:
            inner: Mapping[str, Any] = each
            found |= flat(inner, f"{above}{name}.")
        elif each not in (None, [], {}):
            found[above + name] = each
    return found


def _same(one: Any, other: Any) -> bool:
    """NaN is as good as another NaN; a number is no word of the same digits."""
    if isinstance(one, bool) != isinstance(other, bool):
        return False
    return one == other or (_is_nan(one) and _is_nan(other))


def _is_nan(value: Any) -> bool:
    return value == "NaN" or (isinstance(value, float) and math.isnan(value))


def _job(side: Side) -> dict[str, Any]:
    job = side.job
    named = ("name", "status", "statusReason", "submittedBy", "labels", "attempt", "retryCount")
    found = flat({name: job.get(name) for name in named})
    model = " ".join(filter(None, (job.get("outputModelName"), job.get("outputModelVersion"))))
    return {**found, "jobType": job["jobType"], "model": model or None}


def _parameters(side: Side) -> dict[str, Any]:
    return flat(side.job.get("hyperparameters")) | flat(side.job.get("trainJobSpec"), "spec.")


def _code(side: Side) -> dict[str, Any]:
    """By its digest, where it has one: where it lies says the same at length."""
    found = flat(side.job.get("trainer"))
    return {
        name: value
        for name, value in found.items()
        if name != "source.uri" or "source.digest" not in found
    }


def _data(side: Side) -> dict[str, Any]:
    names = {"datasetId": "dataset", "modelId": "starts from"}
    return {spelled: side.job.get(name) for name, spelled in names.items()}


def _durations(side: Side, now: datetime) -> dict[str, Any]:
    """In seconds."""
    job, attempts = side.job, side.attempts
    started, ended = words.moment(job.get("startedAt")), words.moment(job.get("completedAt"))
    submitted = words.moment(job.get("submittedAt"))
    found: dict[str, Any] = {}
    if submitted and started:
        found["waited"] = (started - submitted).total_seconds()
    if started:
        found["ran"] = ((ended or now) - started).total_seconds()
    if len(attempts) > 1:
        last = words.moment(attempts[-1].get("startedAt"))
        if last:
            found["last attempt ran"] = ((ended or now) - last).total_seconds()
    return found


def _metrics(side: Side) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, course in by_name(side.points).items():
        values = [point["value"] for point in course]
        finite = [float(value) for value in values if math.isfinite(float(value))]
        found[name] = values[-1]
        if len(finite) < len(values):
            found[f"{name} (not finite)"] = len(values) - len(finite)
        if finite:
            found[f"{name} (lowest)"] = min(finite)
            found[f"{name} (highest)"] = max(finite)
    return found
