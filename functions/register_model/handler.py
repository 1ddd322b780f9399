"""Puts the model of a succeeded job into the catalog."""

import hashlib
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from common import answers
from common.catalogue import artifact, place, receipt
from common.catalogue.account import account_for
from common.catalogue.artifact import Left
from common.errors import Conflict, EventrainError, Invalid, Violation
from common.jobs import registration, work
from common.jobs.registration import Candidate, Entry
from common.jobs.work import Item
from common.postgres import transaction
from common.storage import address
from common.storage.address import sanitise
from common.storage.objects import Objects
from common.tokens.keyring import KeyRing
from common.tracking import enrolment

MOST_TRIES = 8
UNFORESEEN = (
    "the server failed in a way that nobody foresaw; register it by hand, or ask its operator"
)


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
    ring: KeyRing
    announce: Callable[[Collection[UUID]], None]
    now: Callable[[], datetime]
    has_mlflow: bool = False


async def register_model(job_id: UUID, wish: Wish, *, deps: Deps) -> None:
    """Asked for by HTTP, or due when a job has succeeded. Copies the succeeded attempt's artifacts
    to `models/{name}/{version}/`, signs a receipt of what they were made of, then writes the entry,
    the job's mark and `model.registered` in one transaction; where there is an MLflow, that it is
    to hear of it, too. Done twice, at once, or after a death at any point, it makes one entry. Raises
    NotFound, Conflict where the job has not succeeded, left nothing, or has another entry, and
    Invalid for an address that is somebody else's.
    """
    job = await registration.find(deps.pool, job_id)
    name = wish.name or job.output_model_name
    version = wish.version or job.output_model_version
    if _is_registered(job, name, version):
        await _settle(job, deps)
        return
    # Looked at before anything is reserved: what cannot be registered keeps no address from others.
    left = await _find_files(job, wish, address.model_prefix(name, version), deps)
    async with transaction(deps.pool) as connection:
        await registration.reserve(connection, job, name, version)
    entry = await _bring(job, wish, name, version, left, deps)
    async with transaction(deps.pool) as connection:
        event_ids = await registration.register(connection, job, entry, now=deps.now())
        if event_ids and deps.has_mlflow:
            await enrolment.begin(connection, job.job_id, entry.id, now=deps.now())
    deps.announce(event_ids)
    await _tidy(job, deps)
    if not event_ids:
        _is_registered(await registration.find(deps.pool, job_id), name, version)


async def register_due(job_id: UUID, *, deps: Deps) -> None:
    """Woken by `job.succeeded`, which says nothing but which job: registers it where that is due
    and in nobody else's hands. What cannot be reached now is tried again later, what nobody foresaw
    a few times; what can never be registered is given up, and the job says why. It stays succeeded
    either way, and a person may still register it."""
    async with transaction(deps.pool) as connection:
        claimed = await work.claim(connection, "register", now=deps.now(), job_id=job_id)
    for item in claimed:
        try:
            await _register(item.job_id, deps)
        except Exception as wrong:  # noqa: BLE001 - each is told by a row
            await _put_off(item, wrong, deps)


async def _register(job_id: UUID, deps: Deps) -> None:
    job = await registration.find(deps.pool, job_id)
    if job.only_a_model and job.model_uri is None:
        await _settle(job, deps)
        return
    await register_model(job_id, Wish(), deps=deps)


async def _put_off(item: Item, wrong: Exception, deps: Deps) -> None:
    reason = f"{type(wrong).__name__}: {wrong}"
    temporary, expected = answers.is_temporary(wrong), isinstance(wrong, EventrainError)
    if not (temporary or expected):
        answers.log(wrong)
    async with transaction(deps.pool) as connection:
        if temporary or (not expected and item.tries < MOST_TRIES):
            await work.postpone(connection, item, reason, now=deps.now())
            return
        told = wrong.message if isinstance(wrong, EventrainError) else UNFORESEEN
        await registration.give_up(connection, item, told, reason, now=deps.now())


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
        if deps.has_mlflow and job.entry_id:
            await enrolment.begin(connection, job.job_id, job.entry_id, now=deps.now())


async def _find_files(job: Candidate, wish: Wish, target: str, deps: Deps) -> Left:
    if wish.storage_uri is not None:
        return await _check_place(job, wish.storage_uri, target, deps)
    return await artifact.find_model(
        deps.objects,
        bucket=deps.bucket,
        job_id=job.job_id,
        attempt=job.attempt,
        told=job.digests,
        model_uri=job.model_uri,
    )


async def _bring(
    job: Candidate, wish: Wish, name: str, version: str, left: Left, deps: Deps
) -> Entry:
    target = address.model_prefix(name, version)
    if wish.storage_uri is None:
        files = await artifact.copy_model(deps.objects, left, target)
    else:
        files = await artifact.list_files(deps.objects, left)
    said = {"job_id": str(job.job_id), "attempt": job.attempt, "files": files}
    entry = Entry(
        id=uuid4(),
        name=name,
        version=version,
        storage_uri=wish.storage_uri or f"s3://{deps.bucket}/{target}",
        metadata=wish.metadata | said,
        owner_team=wish.owner_team,
        created_by=wish.by or job.submitted_by,
    )
    return await _receipted(job, entry, deps)


async def _receipted(job: Candidate, entry: Entry, deps: Deps) -> Entry:
    made_of = await registration.find_provenance(deps.pool, job.job_id)
    signed = receipt.sign(account_for(job, made_of, entry, deps.now()), deps.ring)
    sha256 = hashlib.sha256(signed).hexdigest()
    key = receipt.key_of(entry.name, entry.version, sha256)
    await deps.objects.put_bytes(key, signed, "application/json")
    return replace(entry, receipt_sha256=sha256)


async def _tidy(job: Candidate, deps: Deps) -> None:
    """Gives back the addresses that the job had reserved and has no entry at."""
    for name, version in await registration.strays(deps.pool, job.job_id):
        await deps.objects.delete_prefix(address.model_prefix(name, version))
        await registration.release(deps.pool, job.job_id, name, version)


async def _check_place(job: Candidate, uri: str, target: str, deps: Deps) -> Left:
    own = [f"jobs/{job.job_id}/", place.project_prefix(job.project_id), target]
    found = place.check_place(uri, field="storageUri", bucket=deps.bucket, allowed=own)
    if found.is_prefix:
        there = [each async for each in deps.objects.walk(found.key)]
    else:
        one = await deps.objects.head(found.key)
        there = [one] if one else []
    if not there:
        raise Invalid([Violation("storageUri", "nothing lies there")])
    return Left(f"{found.key.rpartition('/')[0]}/", there, {})
