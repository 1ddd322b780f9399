"""What the cluster is asked to do: stop, delete, forget, renew. Whatever it refuses, the next tick
decides anew."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import TypeVar

import asyncpg

from common.launch import manifest, plan
from common.launch.cluster import Cluster, Refused
from common.launch.plan import Site
from common.postgres import statement
from common.sync.apply import note_missing
from common.sync.decision import DeleteJob, Reissue, SetTtl, StopPod, Suspect
from common.sync.observe import Key, Row

T = TypeVar("T")

TTL_SECONDS = 3600
# What is over these is decided anew, and done, by the next tick.
AT_ONCE = 8
ASKED_IN_ONE_TICK = 2_000
REISSUED_IN_ONE_TICK = 500
SUSPECTS_IN_ONE_TICK = 500

_log = logging.getLogger(__name__)


async def enforce(cluster: Cluster, asked: Sequence[StopPod | DeleteJob | SetTtl]) -> None:
    """Stops pods with their grace, deletes Jobs that must not run, lets finished ones expire."""

    async def one(each: StopPod | DeleteJob | SetTtl) -> None:
        match each:
            case StopPod(pod=pod):
                await cluster.delete("pods", pod.name, uid=pod.uid)
            case DeleteJob(job=job):
                await cluster.delete("jobs", job.name, uid=job.uid)
            case SetTtl(job=job):
                spec = {"ttlSecondsAfterFinished": TTL_SECONDS}
                await cluster.patch("jobs", job.name, {"spec": spec})

    await _each(asked[:ASKED_IN_ONE_TICK], one)


async def reissue(
    pool: asyncpg.Pool, cluster: Cluster, site: Site, asked: Sequence[Reissue], *, now: datetime
) -> None:
    """Puts fresh credentials into the Secrets of live attempts, and makes those that are lost."""
    instant = now.astimezone(UTC).replace(microsecond=0)
    renewed: list[Key] = []

    async def one(each: Reissue) -> None:
        key, job = each.row.key, each.job
        held = plan.credentials(site, key.job_id, key.attempt, instant)
        changes = {"data": manifest.secret_data(**held)}
        if await cluster.patch("secrets", job.name, changes) is None:
            owner = {"name": job.name, "namespace": site.namespace, "uid": job.uid}
            owner |= {"labels": manifest.labels_of(key.job_id, key.attempt, each.row.trace_id)}
            await cluster.create("secrets", manifest.secret({"metadata": owner}, **held))
        renewed.append(key)

    await _each(asked[:REISSUED_IN_ONE_TICK], one)
    if renewed:
        ids, attempts = [k.job_id for k in renewed], [k.attempt for k in renewed]
        await pool.execute(statement("note_reissued"), ids, attempts, instant)


async def ask_for(
    pool: asyncpg.Pool, cluster: Cluster, suspects: Sequence[Suspect], *, now: datetime
) -> list[Row]:
    """Asks for each missing Job by its name. The attempts whose Jobs are gone for the second time
    in a row, and whose trainers have not been heard since the first."""
    absent: list[Row] = []
    present: list[Row] = []

    async def one(each: Suspect) -> None:
        name = manifest.name_of(*each.row.key)
        found = await cluster.get("jobs", name)
        (absent if found is None else present).append(each.row)

    await _each(suspects[:SUSPECTS_IN_ONE_TICK], one)
    fresh = [row for row in absent if row.missing_since is None]
    speaking = [row for row in absent if _heard_since(row)]
    await note_missing(pool, fresh, now)
    await note_missing(pool, speaking, now)
    await note_missing(pool, [row for row in present if row.missing_since], None)
    return [row for row in absent if row.missing_since is not None and not _heard_since(row)]


def _heard_since(row: Row) -> bool:
    return bool(row.missing_since and row.last_seen and row.last_seen > row.missing_since)


async def _each(asked: Sequence[T], deed: Callable[[T], Awaitable[None]]) -> None:
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(each: T) -> None:
        async with gate:
            try:
                await deed(each)
            except Refused as refused:
                _log.warning("%s: %s", type(each).__name__, refused.message)

    await asyncio.gather(*map(one, asked))
