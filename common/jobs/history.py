"""What happened to a job, row by row, as the contract shows it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from typing_extensions import TypedDict

from common import envelope
from common.jobs.course import Point

Row = Mapping[str, Any]
# An address with which an object of ours can be fetched for a while; None for another's.
Sign = Callable[[str], str | None]

OF_EVERY_EVENT = frozenset({"jobId", "projectId", "attempt", "status", "at"})

Change = TypedDict(
    "Change",
    {
        "sequence": int,
        "type": str,
        "source": str,
        "at": datetime,
        "attempt": int,
        "from": str | None,
        "to": str | None,
        "detail": dict[str, Any],
    },
)


class ResumedFrom(TypedDict):
    """The checkpoint that an attempt went on from: whose, and where it stood."""

    attempt: int
    step: int | None
    epoch: int | None


class Attempt(TypedDict):
    """One try; what ended it, the rule that said so, the evidence, and the budget left."""

    attempt: int
    createdAt: datetime
    launchedAt: datetime | None
    startedAt: datetime | None
    endedAt: datetime | None
    outcome: str | None
    errorClass: str | None
    exitCode: int | None
    reason: str | None
    rule: str | None
    evidence: dict[str, Any] | None
    budgetLeft: int | None
    logUri: str | None
    logUrl: str | None
    resumedFrom: ResumedFrom | None


class LogLine(TypedDict):
    """One line; its offset counts from the start of its stream as the trainer counts."""

    attempt: int
    stream: str
    offset: int
    text: str
    time: datetime


class PodLog(TypedDict):
    """The end of a pod's log, in S3."""

    attempt: int
    uri: str
    url: str | None


class Checkpoint(TypedDict):
    id: UUID
    attempt: int
    name: str
    uri: str
    url: str | None
    sha256: str
    size: int
    step: int | None
    epoch: int | None
    metrics: dict[str, Any] | None
    createdAt: datetime


class Validation(TypedDict):
    """What a validation found: the matrix has a row for each true class, a column for each that
    was guessed; `labels` names both."""

    number: int
    attempt: int
    epoch: int | None
    step: int | None
    metrics: dict[str, Any]
    labels: list[str] | None
    confusionMatrix: list[list[float]] | None
    perClass: dict[str, dict[str, Any]] | None
    at: datetime


class Artifact(TypedDict):
    attempt: int
    name: str
    uri: str
    url: str | None
    sha256: str | None
    size: int | None
    createdAt: datetime


class Metric(TypedDict):
    id: UUID
    trainingJobId: UUID
    name: str
    value: float | str
    unit: str | None
    recordedAt: datetime


def change(row: Row, _: Sign) -> Change:
    """A state change, or a trainer's report, which leads from no state to another."""
    told = row["kind"] == 1
    data: dict[str, Any] = row["data"]
    return {
        "sequence": row["number"],
        "type": row["type"],
        "source": row["source"],
        "at": row["at"],
        "attempt": row["attempt"],
        "from": row["status_from"],
        "to": row["status_to"],
        "detail": data if told else {k: v for k, v in data.items() if k not in OF_EVERY_EVENT},
    }


def attempt(row: Row, sign: Sign) -> Attempt:
    return {
        "attempt": row["attempt"],
        "createdAt": row["created_at"],
        "launchedAt": row["launched_at"],
        "startedAt": row["started_at"],
        "endedAt": row["ended_at"],
        "outcome": row["outcome"],
        "errorClass": row["error_class"],
        "exitCode": row["exit_code"],
        "reason": row["message"],
        "rule": row["rule"],
        "evidence": row["evidence"],
        "budgetLeft": row["budget_left"],
        "logUri": row["log_uri"],
        "logUrl": sign(row["log_uri"]) if row["log_uri"] else None,
        "resumedFrom": _resumed_from(row["resumed_from"]),
    }


def _resumed_from(found: Row | None) -> ResumedFrom | None:
    if found is None or found.get("attempt") is None:
        return None
    return {"attempt": found["attempt"], "step": found.get("step"), "epoch": found.get("epoch")}


def log_lines(rows: Sequence[Row]) -> list[LogLine]:
    """The lines of some reports, one after the other; a report that holds none is left out."""
    return [line for row in rows for line in _lines(row)]


def _lines(row: Row) -> Iterator[LogLine]:
    payload = row["payload"]
    first, lines = payload.get("offset"), payload.get("lines")
    for index, text in enumerate(lines if isinstance(lines, list) else ()):
        yield {
            "attempt": row["attempt"],
            "stream": str(payload.get("stream", "stdout")),
            "offset": (first if isinstance(first, int) else 0) + index,
            "text": str(text),
            "time": row["occurred_at"],
        }


def pod_log(row: Row, sign: Sign) -> PodLog:
    return {"attempt": row["attempt"], "uri": row["log_uri"], "url": sign(row["log_uri"])}


def checkpoint(row: Row, sign: Sign) -> Checkpoint:
    return {
        "id": row["id"],
        "attempt": row["attempt"],
        "name": row["name"],
        "uri": row["uri"],
        "url": sign(row["uri"]),
        "sha256": row["sha256"],
        "size": row["size"],
        "step": row["step"],
        "epoch": row["epoch"],
        "metrics": row["metrics"],
        "createdAt": row["created_at"],
    }


def validation(row: Row, _: Sign) -> Validation:
    told: dict[str, Any] = row["payload"]
    return {
        "number": row["number"],
        "attempt": row["attempt"],
        "epoch": told.get("epoch"),
        "step": told.get("step"),
        "metrics": told.get("metrics") or {},
        "labels": told.get("labels"),
        "confusionMatrix": told.get("confusionMatrix"),
        "perClass": told.get("perClass"),
        "at": row["occurred_at"],
    }


def artifact(row: Row, sign: Sign) -> Artifact:
    return {
        "attempt": row["attempt"],
        "name": row["name"],
        "uri": row["uri"],
        "url": sign(row["uri"]),
        "sha256": row["sha256"],
        "size": row["size"],
        "createdAt": row["created_at"],
    }


def metric(row: Row) -> Metric:
    return {
        "id": row["id"],
        "trainingJobId": row["job_id"],
        "name": row["name"],
        "value": envelope.spell_number(row["value"]),
        "unit": row["unit"],
        "recordedAt": row["recorded_at"],
    }


def measured(job_id: UUID, point: Point) -> Metric:
    """A point of a heartbeat, told as a single figure; its id is the same each time."""
    told = f"{point['attempt']}/{point['name']}/{point['step']}/{point['time'].isoformat()}"
    return {
        "id": uuid5(job_id, told),
        "trainingJobId": job_id,
        "name": point["name"],
        "value": point["value"],
        "unit": None,
        "recordedAt": point["time"],
    }
