"""The deed that launch-job and status-sync share: due launches, made once.

Job first, then its Secret with the Job as owner; then the row is read again, and what is no longer
wanted is deleted. Whoever dies in between leaves a launch that stays due: the next one finds the
Job by its name and goes on.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from common.jobs import transition, work
from common.jobs.state import LIVE, Trigger
from common.jobs.transition import Applied, Failure, Intent, Result
from common.jobs.work import Item
from common.launch import manifest, plan
from common.launch.cluster import Cluster, Json, Refused
from common.launch.plan import Plan, Site, Spent
from common.postgres import Connection, statement, transaction
from common.tracking import mirror

AT_ONCE = 8
LONGEST_WAIT = timedelta(minutes=1)

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Made:
    """The Job stands, with its Secret."""

    item: Item
    job: Json


@dataclass(frozen=True)
class Postponed:
    """Not now, and what the launch waits for."""

    item: Item
    waiting_for: str


@dataclass(frozen=True)
class Denied:
    """Never, and why."""

    item: Item
    failure: Failure
    reason: str


Outcome = Made | Postponed | Denied


async def launch_due(
    pool: asyncpg.Pool,
    *,
    cluster: Cluster,
    site: Site,
    source: str,
    now: datetime,
    job_id: UUID | None = None,
    limit: int = 1,
) -> tuple[UUID, ...]:
    """Makes what is due, of one job or of any; the ids of the events that tell of it. What is too
    early or in another's hands is left alone."""
    async with pool.acquire() as connection:
        items = await work.claim(connection, "launch", now=now, job_id=job_id, limit=limit)
    if not items:
        return ()
    plans, spent = await plan.fix(pool, items, site, now=now)
    if plans and site.addresses.tracking:
        # Before a trainer can speak: whoever dies after it has a Job leaves no attempt uncarried.
        await mirror.begin(pool, [(p.item.job_id, p.item.attempt) for p in plans], now=now)
    gate = asyncio.Semaphore(AT_ONCE)
    made = await asyncio.gather(*(_make(each, cluster, site, gate) for each in plans))
    outcomes: list[Outcome] = [*made, *map(_denied, spent)]
    async with transaction(pool) as connection:
        results = await _settle(connection, outcomes, source, now)
    await _hold(pool, items, outcomes, now)
    await _unmake(cluster, [o.job for o, r in results if isinstance(o, Made) and _unwanted(o, r)])
    return tuple(e for _, r in results if isinstance(r, Applied) for e in r.event_ids)


async def _make(each: Plan, cluster: Cluster, site: Site, gate: asyncio.Semaphore) -> Outcome:
    job: Json | None = None
    try:
        async with gate:
            job = await _make_job(each, cluster)
            await _make_secret(each, job, cluster, site)
    except Refused as refused:
        if refused.passes:
            return Postponed(each.item, _waiting_for(refused))
        if job is not None:
            await _unmake(cluster, [job])
        return _refused(each.item, refused)
    return Made(each.item, job)


async def _make_job(each: Plan, cluster: Cluster) -> Json:
    try:
        return await cluster.create("jobs", each.job)
    except Refused as refused:
        if not refused.is_conflict:
            raise
    return await _adopt("jobs", each.job, cluster)


async def _make_secret(each: Plan, job: Json, cluster: Cluster, site: Site) -> None:
    item = each.item
    held = plan.credentials(site, item.job_id, item.attempt, each.issued_at)
    secret = manifest.secret(job, **held)
    try:
        await cluster.create("secrets", secret)
    except Refused as refused:
        if not refused.is_conflict:
            raise
        found = await _adopt("secrets", secret, cluster)
        if _owner(found) != job["metadata"]["uid"]:
            raise Refused(409, "the Secret of an earlier Job is still being deleted") from None


async def _adopt(kind: Any, wanted: Json, cluster: Cluster) -> Json:
    """The object that is there already, if it is the one that we would make. One that cannot be
    looked at may be it, and may run: that is no reason to refuse the job."""
    name, labels = wanted["metadata"]["name"], wanted["metadata"]["labels"]
    try:
        found = await cluster.get(kind, name)
    except Refused as refused:
        message = f"{name} is there and cannot be looked at: {refused.message}"
        raise Refused(409, message) from refused
    if found is None or found["metadata"].get("deletionTimestamp"):
        raise Refused(409, f"an earlier {name} is still being deleted")
    theirs = found["metadata"].get("labels") or {}
    if any(theirs.get(key) != labels[key] for key in ("app", "job-id", "attempt")):
        raise Refused(422, f"{name} exists and does not belong to this attempt")
    return found


def _owner(secret: Json) -> str | None:
    owners = secret["metadata"].get("ownerReferences") or [{}]
    return owners[0].get("uid")


def _waiting_for(refused: Refused) -> str:
    if refused.status == 403:
        return f"room in the quota of the cluster's namespace: {refused.message}"
    return f"the cluster, which is asked again: {refused.message}"


def _refused(item: Item, refused: Refused) -> Denied:
    evidence = {"status": refused.status, "message": refused.message}
    advice = "Correct the request, or show this to who runs the cluster"
    failure = Failure("permanent", "launch-refused", evidence, advice=advice)
    return Denied(item, failure, f"the cluster refused the job: {refused.message}")


def _denied(spent: Spent) -> Denied:
    error_class = "user" if spent.rule == "deadline-exceeded" else "permanent"
    advice = "Give it a longer maxDuration, or less to do" if error_class == "user" else None
    return Denied(spent.item, Failure(error_class, spent.rule, advice=advice), spent.reason)


async def _settle(
    connection: Connection, outcomes: Sequence[Outcome], source: str, now: datetime
) -> list[tuple[Outcome, Result]]:
    decided = [o for o in outcomes if not isinstance(o, Postponed)]
    results = await transition.apply(connection, [_intent(o, source) for o in decided], now=now)
    return list(zip(decided, results, strict=True))


async def _hold(
    pool: asyncpg.Pool, items: Sequence[Item], outcomes: Sequence[Outcome], now: datetime
) -> None:
    """Postpones what could not be made, and lets go of what nobody waits for any more."""
    postponed = [_later(o, now) for o in outcomes if isinstance(o, Postponed)]
    planned = {o.item.job_id for o in outcomes}
    gone = [item.job_id for item in items if item.job_id not in planned]
    if not postponed and not gone:
        return
    async with transaction(pool) as connection:
        if postponed:
            await connection.execute(statement("hold_jobs"), postponed)
            await connection.execute(statement("postpone_launches"), postponed)
        if gone:
            await connection.execute(statement("settle_launches"), gone, now)


def _intent(outcome: Made | Denied, source: str) -> Intent:
    identity = (outcome.item.job_id, outcome.item.attempt)
    if isinstance(outcome, Made):
        return Intent(*identity, Trigger.LAUNCHED, source)
    return Intent(
        *identity, Trigger.LAUNCH_REFUSED, source, reason=outcome.reason, failure=outcome.failure
    )


def _later(outcome: Postponed, now: datetime) -> dict[str, Any]:
    item = outcome.item
    wait = min(timedelta(seconds=2 ** min(item.tries, 10)), LONGEST_WAIT)
    _log.warning("launch of %s/%s waits: %s", item.job_id, item.attempt, outcome.waiting_for)
    return {
        "job_id": item.job_id,
        "attempt": item.attempt,
        "next_at": now + wait,
        "waiting_for": outcome.waiting_for,
    }


def _unwanted(made: Made, result: Result) -> bool:
    """Whether the job moved on while its Job was made. One that was heard of already, or that
    another launcher made, is what we want."""
    if isinstance(result, Applied) or result.job is None:
        return not isinstance(result, Applied)
    return result.job.attempt != made.item.attempt or result.job.status not in LIVE


async def _unmake(cluster: Cluster, jobs: Sequence[Json]) -> None:
    for job in jobs:
        try:
            await cluster.delete("jobs", job["metadata"]["name"], uid=job["metadata"]["uid"])
        except Refused as refused:
            _log.warning("%s is left to status-sync: %s", job["metadata"]["name"], refused.message)
