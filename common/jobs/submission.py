"""A submission: the job with its first attempt, event and launch, all or nothing."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from common.access import quota
from common.errors import IdempotencyMismatch, Invalid, Violation
from common.postgres import Connection, statement
from eventing.catalogue import EventType

MAX_VERSION_TRIES = 20


@dataclass(frozen=True)
class Submission:
    """A job request that has passed every rule. A version of None means the next number."""

    id: UUID
    project_id: UUID
    submitted_by: str
    name: str
    labels: dict[str, str]
    model_id: UUID | None
    dataset_id: UUID | None
    job_type: str
    request: dict[str, Any]
    max_retries: int
    backoff_seconds: int
    stall_policy: str
    trace_id: str
    traceparent: str
    auto_register: bool
    output_model_name: str
    output_model_version: str | None


@dataclass(frozen=True)
class Key:
    """An Idempotency-Key with the digest of the request that came with it."""

    value: str
    digest: str


@dataclass(frozen=True)
class Submitted:
    """The job's id, its row and the ids of the events that tell of it; neither for a repeat."""

    job_id: UUID
    event_ids: tuple[UUID, ...] = ()
    row: Mapping[str, Any] | None = None


async def submit(
    connection: Connection, submission: Submission, *, key: Key | None, now: datetime
) -> Submitted:
    """Creates the job, or finds the one that this key made before. Runs in the caller's
    transaction. Raises IdempotencyMismatch, OverQuota, and Invalid for a model address that is
    taken."""
    if key is not None:
        earlier = await _claim_key(connection, submission, key, now)
        if earlier is not None:
            return Submitted(earlier)
    await quota.hold(connection, submission.project_id, submission.request, now=now)
    await _hold_inputs(connection, submission)
    version = await _reserve(connection, submission)
    row = asdict(submission) | {"submitted_at": now, "output_model_version": version}
    job = await connection.fetchrow(statement("insert_job"), row)
    event = _event(submission, now)
    await connection.execute(statement("insert_events"), [event])
    return Submitted(submission.id, (event["id"],), job)


async def _claim_key(
    connection: Connection, submission: Submission, key: Key, now: datetime
) -> UUID | None:
    owner = (submission.project_id, submission.submitted_by, key.value)
    claimed = await connection.fetchval(
        statement("claim_idempotency_key"), *owner, key.digest, submission.id, now
    )
    if claimed is not None:
        return None
    earlier = await connection.fetchrow(statement("read_idempotency_key"), *owner)
    assert earlier is not None
    if earlier["digest"] != key.digest:
        raise IdempotencyMismatch()
    return earlier["job_id"]


async def _hold_inputs(connection: Connection, submission: Submission) -> None:
    """Until the job is there, nobody deletes what it was admitted with."""
    wanted = (submission.dataset_id, submission.model_id)
    if wanted == (None, None):
        return
    held = await connection.fetchrow(statement("hold_inputs"), *wanted)
    assert held is not None
    gone = [
        Violation(field, "was deleted just now")
        for field, asked, found in zip(("datasetId", "modelId"), wanted, held, strict=True)
        if asked is not None and found is None
    ]
    if gone:
        raise Invalid(gone)


async def _reserve(connection: Connection, submission: Submission) -> str:
    owner = (submission.project_id, submission.id)
    name, version = submission.output_model_name, submission.output_model_version
    if version is not None:
        if await connection.fetchval(statement("reserve_model"), name, version, *owner) is None:
            taken = f"{name} {version} exists or is being trained: choose another version"
            raise Invalid(violations=(Violation("outputModelVersion", taken),))
        return version
    for _ in range(MAX_VERSION_TRIES):
        version = await connection.fetchval(statement("reserve_next_version"), name, *owner)
        if version is not None:
            return version
    raise Invalid(violations=(Violation("outputModelVersion", "is asked for by too many at once"),))


def _event(submission: Submission, now: datetime) -> dict[str, Any]:
    return {
        "id": uuid4(),
        "job_id": submission.id,
        "sequence": 1,
        "type": EventType.JOB_SUBMITTED,
        "source": "submit-job",
        "at": now,
        "attempt": 1,
        "status_from": "pending",
        "status_to": "pending",
        "traceparent": submission.traceparent,
        "data": {
            "jobId": submission.id,
            "projectId": submission.project_id,
            "attempt": 1,
            "status": "pending",
            "at": now,
            "submittedBy": submission.submitted_by,
        },
    }
