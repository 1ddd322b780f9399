"""A job as the contract shows it, made of its row and of its last heartbeat."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from typing_extensions import TypedDict

from common.jobs.state import TERMINAL, Status

Health = Literal["alive", "silent", "stalled", "cancelling"]
# A trainer that has missed this many beats is silent.
MISSED_BEATS = 3
COUNTERS = ("epoch", "totalEpochs", "step", "totalSteps", "metrics", "resources", "message")


class TrainerView(TypedDict):
    """What runs: as it was asked for, in the framework and image that were found for it."""

    framework: str | None
    image: str | None
    entrypoint: str | None
    args: list[str]
    source: dict[str, Any] | None


class JobView(TypedDict):
    """`id` is null for a dry run. `progress` goes from 0 to 1. `health` is null before the first
    sign of life and after the end."""

    id: UUID | None
    name: str
    labels: dict[str, str]
    projectId: UUID
    submittedBy: str
    modelId: UUID | None
    datasetId: UUID | None
    jobType: str
    status: Literal["pending", "queued", "running", "succeeded", "failed", "cancelled"]
    statusReason: str | None
    waitingFor: str | None
    health: Health | None
    progress: float | None
    submittedAt: datetime
    queuedAt: datetime | None
    startedAt: datetime | None
    completedAt: datetime | None
    attempt: int
    retryCount: int
    maxRetries: int
    useGpu: bool
    resourceProfile: dict[str, Any]
    hyperparameters: dict[str, Any]
    trainJobSpec: dict[str, Any] | None
    trainer: TrainerView
    experimentUrl: str | None
    outputModelName: str
    outputModelVersion: str
    outputModelStorageUri: str | None
    outputModelEntryId: UUID | None
    traceId: str
    observed: dict[str, Any] | None
    reported: dict[str, Any] | None


def view(row: Mapping[str, Any], *, now: datetime, interval: timedelta) -> JobView:
    """The job of a row of read_job or list_jobs; `interval` is that of heartbeats."""
    profile: dict[str, Any] = row["request"].get("resourceProfile") or {}
    resolved: dict[str, Any] = row["request"].get("resolved") or {}
    return {
        "id": row["id"],
        "name": row["name"],
        "labels": row["labels"],
        "projectId": row["project_id"],
        "submittedBy": row["submitted_by"],
        "modelId": row["model_id"],
        "datasetId": row["dataset_id"],
        "jobType": row["job_type"],
        "status": row["status"],
        "statusReason": row["status_reason"],
        "waitingFor": _waiting_for(row, now),
        "health": health(row, now=now, interval=interval),
        "progress": _progress(row),
        "submittedAt": row["submitted_at"],
        "queuedAt": row["queued_at"],
        "startedAt": row["started_at"],
        "completedAt": row["completed_at"],
        "attempt": row["attempt"],
        "retryCount": row["retry_count"],
        "maxRetries": row["max_retries"],
        "useGpu": resolved.get("gpu") is not None,
        "resourceProfile": {name: each for name, each in profile.items() if each is not None},
        "hyperparameters": row["request"].get("hyperparameters") or {},
        "trainJobSpec": row["request"].get("trainJobSpec"),
        "trainer": _trainer(row["request"].get("trainer") or {}, resolved),
        "experimentUrl": row["experiment_url"],
        "outputModelName": row["output_model_name"],
        "outputModelVersion": row["output_model_version"],
        "outputModelStorageUri": row["output_model_storage_uri"],
        "outputModelEntryId": row["output_model_entry_id"],
        "traceId": row["trace_id"],
        "observed": row["observed"],
        "reported": _reported(row),
    }


def _trainer(asked: Mapping[str, Any], resolved: Mapping[str, Any]) -> TrainerView:
    return {
        "framework": resolved.get("framework"),
        "image": resolved.get("image"),
        "entrypoint": asked.get("entrypoint"),
        "args": asked.get("args") or [],
        "source": asked.get("source"),
    }


def health(row: Mapping[str, Any], *, now: datetime, interval: timedelta) -> Health | None:
    """How a live attempt seems to do. Silence is a word about us and it, never an end."""
    status = Status(row["status"])
    if status in TERMINAL:
        return None
    if row["cancel_requested_at"] is not None:
        return "cancelling"
    if status is not Status.RUNNING:
        return None
    if _is_stalled(row):
        return "stalled"
    heard = row["last_seen"] or row["run_started_at"]
    return "alive" if heard and now - heard <= MISSED_BEATS * interval else "silent"


def _waiting_for(row: Mapping[str, Any], now: datetime) -> str | None:
    later = row["not_before"]
    delayed = row["status"] == Status.PENDING and later is not None and later > now
    if row["waiting_for"] or not delayed:
        return row["waiting_for"]
    return f"the delay before attempt {row['attempt']}, until {later:%H:%M:%S} UTC"


def _is_stalled(row: Mapping[str, Any]) -> bool:
    stalled, progressed = row["stalled_at"], row["progressed_at"]
    return stalled is not None and (progressed is None or progressed <= stalled)


def _progress(row: Mapping[str, Any]) -> float | None:
    if row["status"] == Status.SUCCEEDED:
        return 1.0
    beat = row["beat"] or {}
    if beat.get("progress") is not None:
        return float(beat["progress"])
    for done, of in (("step", "totalSteps"), ("epoch", "totalEpochs")):
        if beat.get(done) is not None and beat.get(of):
            return min(1.0, beat[done] / beat[of])
    return None


def _reported(row: Mapping[str, Any]) -> dict[str, Any] | None:
    if row["last_seen"] is None:
        return None
    beat = row["beat"] or {}
    said = {name: beat[name] for name in COUNTERS if name in beat}
    return {"at": row["last_seen"], "sequence": row["beat_sequence"], **said}
