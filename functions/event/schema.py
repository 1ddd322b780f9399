"""What a trainer tells beside its heartbeats."""

from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec

from common.errors import Invalid, Violation
from common.jobs.report import Report
from common.storage import address

Sha256 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
Whole = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class Event(msgspec.Struct, rename="camel"):
    """One thing that happened in the training."""

    type: Annotated[str, msgspec.Meta(pattern="^[a-z][a-z0-9_.]{0,63}$")]
    occurred_at: datetime
    payload: dict[str, Any] = {}


class Checkpoint(msgspec.Struct):
    """The payload of `checkpoint_saved`: an object whose upload is complete."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=512)]
    uri: str
    sha256: Sha256
    size: Whole
    step: Whole | None = None
    epoch: Whole | None = None
    metrics: dict[str, Any] | None = None


class Answer(msgspec.Struct):
    """The number that the event got; a repeat is answered with the first one's."""

    sequence: int


def check(event: Event, prefix: str) -> None:
    """Raises Invalid for what the types cannot say: a time without a zone, numbers that JSON
    cannot carry back, a checkpoint outside the attempt's own `prefix`."""
    if event.occurred_at.tzinfo is None:
        raise Invalid([Violation("occurredAt", "must name a time zone")])
    try:
        msgspec.json.encode(event.payload)
    except OverflowError:
        raise Invalid([Violation("payload", "holds a number of more than 64 bits")]) from None
    if event.type == "checkpoint_saved":
        _check_checkpoint(event.payload, prefix)


def _check_checkpoint(payload: dict[str, Any], prefix: str) -> None:
    try:
        checkpoint = msgspec.convert(payload, Checkpoint)
        place = address.parse(checkpoint.uri)
    except (msgspec.ValidationError, address.BadAddress) as wrong:
        raise Invalid([Violation("payload", str(wrong))]) from None
    if not str(place).startswith(prefix):
        raise Invalid([Violation("payload.uri", f"must lie below {prefix}")])


def to_report(event: Event, *, job_id: Any, attempt: int, event_key: str) -> Report:
    """The event as it is kept."""
    occurred_at = event.occurred_at.astimezone(UTC)
    return Report(job_id, attempt, event_key, event.type, event.payload, occurred_at)
