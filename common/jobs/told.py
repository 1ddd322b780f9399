"""What trainers say, and how it is kept: heartbeats, events, the end of an attempt.

It arrives at the callback functions or, where those were away, in the attempt's result.json.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import msgspec

from common.errors import Invalid, Violation
from common.jobs.ending import Ending
from common.jobs.report import Report
from common.jobs.retry import Evidence
from common.storage import address
from common.tracking import operation

Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
ObjectName = Annotated[str, msgspec.Meta(min_length=1, max_length=512)]
Figure = float | Literal["NaN", "Infinity", "-Infinity"]
Amount = Annotated[int, msgspec.Meta(ge=0, le=2**53)] | Annotated[float, msgspec.Meta(ge=0)]
Reading = float | str | bool | list[float | str] | None
Figures = Annotated[dict[Name, Figure], msgspec.Meta(max_length=100)]
Cell = Annotated[int, msgspec.Meta(ge=0, le=2**53)] | Annotated[float, msgspec.Meta(ge=0, le=1e15)]
Sha256 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


class Point(msgspec.Struct, rename="camel", omit_defaults=True):
    """One value of a metric, at a step of the training."""

    name: Name
    value: Figure
    step: Count | None = None
    time: str | None = None


class Heartbeat(msgspec.Struct, rename="camel", omit_defaults=True):
    """One beat: how far the training is, and what has been measured since the last."""

    sequence: Count
    epoch: Amount | None = None
    total_epochs: Amount | None = None
    step: Count | None = None
    total_steps: Count | None = None
    progress: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    metrics: Annotated[dict[Name, Figure], msgspec.Meta(max_length=1000)] = {}
    resources: Annotated[dict[Name, Reading], msgspec.Meta(max_length=100)] = {}
    points: Annotated[list[Point], msgspec.Meta(max_length=1000)] = []
    trace_id: str | None = msgspec.field(default=None, name="trace_id")
    message: Annotated[str, msgspec.Meta(max_length=10_000)] | None = None

    def marker(self) -> str:
        """Changes when the training has moved on; empty where nothing tells."""
        if self.step is None and self.epoch is None and self.progress is None:
            return ""
        return f"{self.epoch}/{self.step}/{self.progress}"


class Event(msgspec.Struct, rename="camel"):
    """One thing that happened in the training."""

    type: Annotated[str, msgspec.Meta(pattern="^[a-z][a-z0-9_.]{0,63}$")]
    occurred_at: datetime
    payload: dict[str, Any] = {}


class Checkpoint(msgspec.Struct):
    """The payload of `checkpoint_saved`: an object whose upload is complete."""

    name: ObjectName
    uri: str
    sha256: Sha256
    size: Count
    step: Count | None = None
    epoch: Count | None = None
    metrics: dict[str, Any] | None = None


class Validation(msgspec.Struct, rename="camel"):
    """The payload of `validation`: the matrix has a row for each true class, a column for each
    that was guessed; `labels` names both."""

    epoch: Count | None = None
    step: Count | None = None
    metrics: Annotated[dict[Name, Figure], msgspec.Meta(max_length=1000)] = {}
    labels: Annotated[list[Name], msgspec.Meta(max_length=100)] | None = None
    confusion_matrix: Annotated[list[list[Cell]], msgspec.Meta(max_length=100)] = []
    per_class: Annotated[dict[Name, Figures], msgspec.Meta(max_length=100)] = {}


class Artifact(msgspec.Struct, omit_defaults=True):
    """A file that the attempt uploaded."""

    name: ObjectName
    uri: str
    sha256: Sha256 | None = None
    size: Count | None = None


class Done(msgspec.Struct, rename="camel", omit_defaults=True):
    """The end of an attempt, in the trainer's words."""

    outcome: Literal["succeeded", "failed"]
    error_class: Literal["transient", "permanent", "user"] | None = None
    exit_code: Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)] | None = None
    message: Annotated[str, msgspec.Meta(max_length=10_000)] | None = None
    mlflow_run_id: Annotated[str, msgspec.Meta(max_length=200)] | None = None
    metrics: Annotated[dict[Name, Figure], msgspec.Meta(max_length=1000)] = {}
    artifacts: Annotated[list[Artifact], msgspec.Meta(max_length=1000)] = []


def encode_beat(beat: Heartbeat) -> str:
    """The beat as history keeps it."""
    return msgspec.json.encode(beat).decode()


def check_event(event: Event, prefix: str) -> None:
    """Raises Invalid for what the types cannot say: a time without a zone, numbers that JSON
    cannot carry back, a checkpoint outside the attempt's own `prefix`, a validation whose parts
    do not fit together, operations of MLflow's client that are none."""
    if event.occurred_at.tzinfo is None:
        raise Invalid([Violation("occurredAt", "must name a time zone")])
    try:
        event.occurred_at.astimezone(UTC)
    except OverflowError:
        raise Invalid([Violation("occurredAt", "is no time in the years 1 to 9999")]) from None
    try:
        msgspec.json.encode(event.payload)
    except OverflowError:
        raise Invalid([Violation("payload", "holds a number of more than 64 bits")]) from None
    if event.type == "checkpoint_saved":
        _check_checkpoint(event.payload, prefix)
    elif event.type == "validation":
        _check_validation(event.payload)
    elif event.type == operation.TYPE:
        operation.read(event.payload)


def to_report(event: Event, *, job_id: Any, attempt: int, event_key: str) -> Report:
    """The event as it is kept."""
    occurred_at = event.occurred_at.astimezone(UTC)
    return Report(job_id, attempt, event_key, event.type, event.payload, occurred_at)


def to_ending(done: Done, *, job_id: Any, attempt: int, prefix: str) -> Ending:
    """The end as the state machine takes it. Raises Invalid for artifacts that lie outside the
    attempt's own `prefix`."""
    wrong = [
        Violation(f"artifacts.{index}.uri", f"must lie below {prefix}")
        for index, artifact in enumerate(done.artifacts)
        if not _is_below(artifact.uri, prefix)
    ]
    if wrong:
        raise Invalid(wrong)
    told = msgspec.to_builtins(done)
    return Ending(
        job_id=job_id,
        attempt=attempt,
        outcome=done.outcome,
        evidence=Evidence(done.error_class, done.exit_code, message=done.message),
        message=done.message,
        artifacts=told.get("artifacts", []),
        done=told | {"outcome": done.outcome},
    )


def _check_checkpoint(payload: dict[str, Any], prefix: str) -> None:
    try:
        checkpoint = msgspec.convert(payload, Checkpoint)
        place = address.parse(checkpoint.uri)
    except (msgspec.ValidationError, address.BadAddress) as wrong:
        raise Invalid([Violation("payload", str(wrong))]) from None
    if not str(place).startswith(prefix):
        raise Invalid([Violation("payload.uri", f"must lie below {prefix}")])


def _check_validation(payload: dict[str, Any]) -> None:
    try:
        found = msgspec.convert(payload, Validation)
    except msgspec.ValidationError as wrong:
        raise Invalid([Violation("payload", str(wrong))]) from None
    if violations := list(_misfits(found)):
        raise Invalid(violations)


def _misfits(found: Validation) -> Iterator[Violation]:
    size, labels = len(found.confusion_matrix), found.labels
    if not (found.metrics or size or found.per_class):
        yield Violation("payload", "has neither metrics, a confusionMatrix nor figures perClass")
    if any(len(row) != size for row in found.confusion_matrix):
        yield Violation("payload.confusionMatrix", "must have as many columns as rows")
    if labels is None:
        return
    if len(set(labels)) != len(labels) or (size and len(labels) != size):
        yield Violation("payload.labels", "must name each class of the matrix once")
    if found.per_class.keys() - set(labels):
        yield Violation("payload.perClass", "may only name classes of the labels")


def _is_below(uri: str, prefix: str) -> bool:
    try:
        return str(address.parse(uri)).startswith(prefix)
    except address.BadAddress:
        return False
