"""What happens in Eventrain: every event type, who says it, and the schema of its data.

Who listens is said here too, and by the Triggers beside this file; a test pairs the two.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

SCHEMAS = Path(__file__).with_name("schemas")


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
    DELIVERY_REQUESTED = "dev.eventrain.delivery.requested.v1"
    MIRROR_REQUESTED = "dev.eventrain.mirror.requested.v1"
    SYNC_REQUESTED = "dev.eventrain.sync.requested.v1"


@dataclass(frozen=True)
class Definition:
    """One row: `sources` are the functions that say it, and the values of the event's `source`."""

    type: EventType
    sources: frozenset[str]

    @property
    def schema_file(self) -> str:
        return f"{self.type.removeprefix('dev.eventrain.')}.json"


def _define(type_: EventType, *sources: str) -> Definition:
    return Definition(type_, frozenset(sources))


_CALLBACKS = ("heartbeat", "event", "done")

_ROWS = (
    _define(EventType.JOB_SUBMITTED, "submit-job", "jobs"),
    _define(EventType.JOB_QUEUED, "launch-job", "status-sync", *_CALLBACKS),
    _define(EventType.JOB_STARTED, "status-sync", *_CALLBACKS),
    _define(EventType.JOB_STALLED, "status-sync"),
    _define(EventType.JOB_RETRY_SCHEDULED, "done", "launch-job", "status-sync"),
    _define(EventType.JOB_SUCCEEDED, "done", "status-sync"),
    _define(EventType.JOB_FAILED, "done", "launch-job", "status-sync"),
    _define(EventType.JOB_CANCEL_REQUESTED, "jobs"),
    _define(EventType.JOB_CANCELLED, "jobs", "done", "launch-job", "status-sync"),
    _define(EventType.MODEL_REGISTERED, "register-model"),
    _define(EventType.DELIVERY_REQUESTED, "status-sync", "webhooks"),
    _define(EventType.MIRROR_REQUESTED, "status-sync"),
    _define(EventType.SYNC_REQUESTED, "status-sync"),
)

CATALOGUE: Mapping[EventType, Definition] = {row.type: row for row in _ROWS}

LISTENERS: Mapping[str, frozenset[EventType]] = {
    "launch-job": frozenset({EventType.JOB_SUBMITTED, EventType.JOB_RETRY_SCHEDULED}),
    "mirror-run": frozenset(
        {
            EventType.JOB_STARTED,
            EventType.JOB_RETRY_SCHEDULED,
            EventType.JOB_SUCCEEDED,
            EventType.JOB_FAILED,
            EventType.JOB_CANCELLED,
            EventType.MIRROR_REQUESTED,
        }
    ),
    "notify": frozenset(EventType) - {EventType.SYNC_REQUESTED, EventType.MIRROR_REQUESTED},
    "register-model": frozenset({EventType.JOB_SUCCEEDED, EventType.MODEL_REGISTERED}),
    "status-sync": frozenset({EventType.SYNC_REQUESTED}),
}


def schema(type_: EventType) -> dict[str, Any]:
    """The JSON Schema (2020-12) of the type's `data`, complete: what it refers to is embedded."""
    document = _read(CATALOGUE[type_].schema_file)
    if "allOf" in document:
        document["$defs"] = {"job": _read("job.json")}
    return document


def _read(name: str) -> dict[str, Any]:
    return json.loads((SCHEMAS / name).read_text(encoding="utf-8"))
