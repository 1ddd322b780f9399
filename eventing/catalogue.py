"""What happens in Eventrain: every event type, the functions that say it, the schema of its data.

Who listens is said by the Triggers beside this file; a test pairs the two.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from typing import Any


class EventType(StrEnum):
    JOB_SUBMITTED = "dev.eventrain.job.submitted.v1"
    JOB_QUEUED = "dev.eventrain.job.queued.v1"
    JOB_STARTED = "dev.eventrain.job.started.v1"
    JOB_STALLED = "dev.eventrain.job.stalled.v1"
    JOB_RETRY_SCHEDULED = "dev.eventrain.job.retry_scheduled.v1"
    JOB_SUCCEEDED = "dev.eventrain.job.succeeded.v1"
    JOB_FAILED = "dev.eventrain.job.failed.v1"
    JOB_CANCEL_REQUESTED = "dev.eventrain.job.cancel_requested.v1"
    JOB_CANCELLED = "dev.eventrain.job.cancelled.v1"
    MODEL_REGISTERED = "dev.eventrain.model.registered.v1"
    SYNC_REQUESTED = "dev.eventrain.sync.requested.v1"


@dataclass(frozen=True)
class Definition:
    """One row: `sources` are the values that the event's `source` may have."""

    type: EventType
    meaning: str
    sources: frozenset[str]

    @property
    def schema_file(self) -> str:
        return f"{self.type.removeprefix('dev.eventrain.')}.json"


def _row(type_: EventType, meaning: str, *sources: str) -> tuple[EventType, Definition]:
    return type_, Definition(type_, meaning, frozenset(sources))


_CALLBACKS = ("heartbeat", "event", "done")

CATALOGUE: Mapping[EventType, Definition] = dict(
    [
        _row(
            EventType.JOB_SUBMITTED,
            "a job was accepted and waits to be launched",
            "submit-job",
            "jobs",
        ),
        _row(
            EventType.JOB_QUEUED,
            "the attempt's Kubernetes Job exists",
            "launch-job",
            "status-sync",
            *_CALLBACKS,
        ),
        _row(
            EventType.JOB_STARTED,
            "the attempt showed its first sign of life",
            "status-sync",
            *_CALLBACKS,
        ),
        _row(
            EventType.JOB_STALLED,
            "a running attempt fell silent; a mark, not an end",
            "status-sync",
        ),
        _row(
            EventType.JOB_RETRY_SCHEDULED,
            "an attempt failed and another follows",
            "done",
            "launch-job",
            "status-sync",
        ),
        _row(EventType.JOB_SUCCEEDED, "the job ended well", "done", "status-sync"),
        _row(
            EventType.JOB_FAILED,
            "the job ended and is not tried again",
            "done",
            "launch-job",
            "status-sync",
        ),
        _row(EventType.JOB_CANCEL_REQUESTED, "someone asked the job to stop", "jobs"),
        _row(
            EventType.JOB_CANCELLED,
            "the job stopped because it was asked to",
            "jobs",
            "launch-job",
            "done",
            "status-sync",
        ),
        _row(EventType.MODEL_REGISTERED, "a job's model is in the catalog", "register-model"),
        _row(EventType.SYNC_REQUESTED, "the clock ticked", "status-sync"),
    ]
)


def schema(type_: EventType) -> dict[str, Any]:
    """The JSON Schema (2020-12) of the type's `data`, complete: what it refers to is embedded."""
    document = _read(CATALOGUE[type_].schema_file)
    if "allOf" in document:
        document["$defs"] = {"job": _read("job.json")}
    return document


def _read(name: str) -> dict[str, Any]:
    return json.loads((files(__package__) / "schemas" / name).read_text(encoding="utf-8"))
