"""Puts the model of a succeeded job into the catalog."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from common import answers
from common.catalogue import artifact, place
from common.errors import Conflict, EventrainError, Invalid, Violation
from common.jobs import registration, work
from common.jobs.registration import Candidate, Entry
from common.jobs.work import Item
from common.postgres import transaction
from common.storage import address
from common.storage.address import sanitise
from common.storage.objects import Objects


@dataclass(frozen=True)
class Wish:
    """What somebody asks for; what is None comes from the job."""

    name: str | None = None
    version: str | None = None
    storage_uri: str | None = None
    owner_team: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict[str, Any])
    by: str | None = None


@dataclass(frozen=True)
class Deps:
    pool: asyncpg.Pool
    objects: Objects
    bucket: str
    announce: Callable[[Collection[UUID]], None]
    now: Callable[[], datetime]


async def register_model(job_id: UUID, wish: Wish, *, deps: Deps) -> None:
    """Asked for by HTTP, or due when a job has succeeded. Copies the succeeded attempt's artifacts
    to `models/{name}/{version}/`, then writes the entry, the job's mark and `model.registered` in
    one transaction. Done twice, at once, or after a death at any point, it makes one entry. Raises
    NotFound, Conflict where the job has not succeeded, left nothing, or has another entry, and
    Invalid for an address that is somebody else's.
    """
    job = await registration.find(deps.pool, job_id)
    name = wish.name or job.output_model_name
    version = wish.version or job.output_model_version
    if _is_registered(job, name, version):
        await _settle(job, deps)
        return
    async with transaction(deps.pool) as connection:
        await registration.reserve(connection, job, name, version)
    entry = await _bring(job, wish, name, version, deps)
    async with transaction(deps.pool) as connection:
        event_ids = await registration.register(connection, job, entry, now=deps.now())
    deps.announce(event_ids)
    if not event_ids:
        _is_registered(await registration.find(deps.pool, job_id), name, version)


async def register_due(job_id: UUID, *, deps: Deps) -> None:
    """Woken by `job.succeeded`, which says nothing but which job: registers it where that is due
    and in nobody else's hands. What cannot be reached now is tried again later; what can never be
    registered is given up, and the job says why. The job stays succeeded either way."""
    async with transaction(deps.pool) as connection:
        claimed = await work.claim(connection, "register", now=deps.now(), job_id=job_id)
    for item in claimed:
        try:
            await register_model(item.job_id, Wish(), deps=deps)
        except Exception as wrong:
            if not await _put_off(item, wrong, deps):
                raise


async def _put_off(item: Item, wrong: Exception, deps: Deps) -> bool:
    """Whether the failure is one that the item's row can tell of."""
    if answers.is_temporary(wrong):
        async with transaction(deps.pool) as connection:
            await work.postpone(
                connection, item, f"{type(wrong).__name__}: {wrong}", now=deps.now()
            )
        return True
    if not isinstance(wrong, EventrainError):
        return False
    async with transaction(deps.pool) as connection:
        await registration.give_up(connection, item, wrong.message, now=deps.now())
    return True


def _is_registered(job: Candidate, name: str, version: str) -> bool:
    """Raises Conflict where the job can have no entry, or has another."""
    if job.status != "succeeded":
        raise Conflict(f"Only a job that succeeded can be registered; this one is {job.status}.")
    if job.entry_name is None or job.entry_version is None:
        return False
    if (sanitise(job.entry_name), sanitise(job.entry_version)) != (
        sanitise(name),
        sanitise(version),
    ):
        raise Conflict(f"The job is registered already, as {job.entry_name} {job.entry_version}.")
    return True


async def _settle(job: Candidate, deps: Deps) -> None:
    async with transaction(deps.pool) as connection:
        await registration.settle(connection, job, now=deps.now())


async def _bring(job: Candidate, wish: Wish, name: str, version: str, deps: Deps) -> Entry:
    target = address.model_prefix(name, version)
    metadata: dict[str, Any] = wish.metadata | {"job_id": job.job_id, "attempt": job.attempt}
    if wish.storage_uri is None:
        metadata["files"] = await artifact.copy_model(
            deps.objects,
            bucket=deps.bucket,
            job_id=job.job_id,
            attempt=job.attempt,
            target=target,
            digests=job.digests,
        )
    else:
        await _check_place(job, wish.storage_uri, target, deps)
    return Entry(
        name=name,
        version=version,
        storage_uri=wish.storage_uri or f"s3://{deps.bucket}/{target}",
        metadata=metadata,
        owner_team=wish.owner_team,
        created_by=wish.by or job.submitted_by,
    )


async def _check_place(job: Candidate, uri: str, target: str, deps: Deps) -> None:
    own = [f"jobs/{job.job_id}/", place.project_prefix(job.project_id), target]
    found = place.check_place(uri, field="storageUri", bucket=deps.bucket, allowed=own)
    if found.is_prefix:
        there = [each async for each in deps.objects.walk(found.key)]
    else:
        there = await deps.objects.head(found.key)
    if not there:
        raise Invalid([Violation("storageUri", "nothing lies there")])
