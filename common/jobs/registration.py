"""A succeeded job's model in the catalog: the entry, the job's mark and the event, all or nothing.

The catalog is one target of a registration, with a kind of due work of its own; whoever adds
another target gives it a kind and a row of its own, so that each has its own status and tries.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from common.errors import Conflict, Invalid, NotFound, Violation
from common.jobs import transition, work
from common.jobs.transition import Standing
from common.jobs.work import Item
from common.postgres import Connection, Queryable, statement
from common.storage.address import sanitise
from eventing.catalogue import EventType

SOURCE = "register-model"


@dataclass(frozen=True)
class Candidate:
    """A job, as far as its model is concerned. Metrics are the end's, else the last heartbeat's;
    digests are by S3 address, and `model_uri` is the folder of what it told as its model."""

    job_id: UUID
    project_id: UUID
    status: str
    attempt: int
    job_type: str
    submitted_by: str
    dataset_id: UUID | None
    output_model_name: str
    output_model_version: str
    entry_id: UUID | None
    entry_name: str | None
    entry_version: str | None
    model_family: str | None
    metrics: dict[str, Any] | None
    model_uri: str | None
    digests: dict[str, str | None]
    only_a_model: bool
    """Own code whose owner named no model: it is registered where it left one."""

    @property
    def type(self) -> str:
        return "base" if self.job_type == "pretrain" else "trained"


@dataclass(frozen=True)
class Entry:
    """What is to stand in the catalog beside what the job says itself."""

    id: UUID
    name: str
    version: str
    storage_uri: str
    metadata: dict[str, Any]
    owner_team: str | None
    created_by: str
    receipt_sha256: str | None = None


@dataclass(frozen=True)
class Provenance:
    """What a job's model was made of."""

    hyperparameters: dict[str, Any] | None
    trainer: dict[str, Any] | None
    framework: str | None
    image: str | None
    dataset: dict[str, Any] | None
    base_model: dict[str, Any] | None
    checkpoint: dict[str, Any] | None


async def find(connection: Queryable, job_id: UUID) -> Candidate:
    """Raises NotFound."""
    row = await connection.fetchrow(statement("read_registration"), job_id)
    if row is None:
        raise NotFound("There is no such job.")
    return Candidate(**dict(row))


async def find_provenance(connection: Queryable, job_id: UUID) -> Provenance:
    """Raises NotFound."""
    row = await connection.fetchrow(statement("read_provenance"), job_id)
    if row is None:
        raise NotFound("There is no such job.")
    return Provenance(**dict(row))


async def reserve(connection: Connection, job: Candidate, name: str, version: str) -> None:
    """Makes the model's address the job's own. Raises Invalid where it is somebody else's."""
    address = (sanitise(name), sanitise(version))
    await connection.execute(statement("reserve_model"), *address, job.project_id, job.job_id)
    owner = await connection.fetchrow(statement("read_reservation"), *address)
    if owner is None or owner["job_id"] != job.job_id:
        reason = f"{' '.join(address)} exists or is being trained: choose another version"
        raise Invalid([Violation("modelVersion", reason)])


async def register(
    connection: Connection, job: Candidate, entry: Entry, *, now: datetime
) -> tuple[UUID, ...]:
    """Writes the entry in the caller's transaction and settles the due work; the ids of the
    events that tell of it, none where the job has its entry by now. Raises Conflict, NotFound."""
    standing = (await transition.lock(connection, [job.job_id])).get(job.job_id)
    if standing is None:
        raise NotFound("There is no such job.")
    sequence: int | None = await connection.fetchval(
        statement("mark_registered"), job.job_id, standing.sequence, entry.id, entry.storage_uri
    )
    await settle(connection, job, now=now)
    if sequence is None:
        return ()
    row = _row(job, entry, now)
    if await connection.fetchval(statement("insert_registered_model"), row) is None:
        raise Conflict(f"The catalog has {entry.name} {entry.version} already.")
    event = _event(standing, sequence, entry, now)
    await connection.execute(statement("insert_events"), [event])
    return (event["id"],)


async def settle(connection: Connection, job: Candidate, *, now: datetime) -> None:
    """The registration of this job is due no more."""
    await work.finish(connection, Item("register", job.job_id, job.attempt, 0, now), now=now)


async def give_up(
    connection: Connection, item: Item, told: str, error: str, *, now: datetime
) -> None:
    """The model cannot be registered; the job tells its owner why, the work its operator."""
    await connection.execute(statement("tell_unregistered"), item.job_id, f"Not registered: {told}")
    await work.give_up(connection, item, error, now=now)


async def strays(connection: Queryable, job_id: UUID) -> list[tuple[str, str]]:
    """Names and versions that a registered job has reserved beside its entry's."""
    rows = await connection.fetch(statement("stray_reservations"), job_id)
    entry = {(sanitise(row["entry_name"]), sanitise(row["entry_version"])) for row in rows}
    return [here for row in rows if (here := (row["name"], row["version"])) not in entry]


async def release(connection: Queryable, job_id: UUID, name: str, version: str) -> None:
    """Gives one address back."""
    await connection.execute(statement("release_reservation"), job_id, name, version)


def _row(job: Candidate, entry: Entry, now: datetime) -> dict[str, Any]:
    return {
        "id": entry.id,
        "project_id": job.project_id,
        "name": entry.name,
        "version": entry.version,
        "type": job.type,
        "owner_team": entry.owner_team,
        "metadata": entry.metadata,
        "storage_uri": entry.storage_uri,
        "model_family": job.model_family,
        "lineage_dataset_ids": [job.dataset_id] if job.dataset_id else [],
        "evaluation_summary": job.metrics,
        "job_id": job.job_id,
        "receipt_sha256": entry.receipt_sha256,
        "created_by": entry.created_by,
        "created_at": now,
    }


def _event(job: Standing, sequence: int, entry: Entry, now: datetime) -> dict[str, Any]:
    return {
        "id": uuid4(),
        "job_id": job.id,
        "sequence": sequence,
        "type": EventType.MODEL_REGISTERED,
        "source": SOURCE,
        "at": now,
        "attempt": job.attempt,
        "status_from": job.status,
        "status_to": job.status,
        "traceparent": job.traceparent,
        "data": {
            "jobId": job.id,
            "projectId": job.project_id,
            "attempt": job.attempt,
            "status": job.status,
            "at": now,
            "entryId": entry.id,
            "name": entry.name,
            "version": entry.version,
            "storageUri": entry.storage_uri,
        },
    }
