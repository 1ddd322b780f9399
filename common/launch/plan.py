"""The plan of an attempt: fixed in its row before anything is made, so that a repeat makes the same.

Fixed are the Job, and the instant from which token and result address are derived. A launch that
had to wait for hours takes that instant anew, or its trainer would start with a token half spent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from common.jobs.resolved import resolved
from common.jobs.work import Item
from common.launch import manifest
from common.launch.cluster import Json
from common.launch.manifest import Addresses, Trainee
from common.postgres import Queryable, statement
from common.settings import (
    Beats,
    Callbacks,
    Cluster,
    Environ,
    JobKeys,
    PublicUrl,
    Start,
    Storage,
    Tracking,
    load,
)
from common.storage import address, presign
from common.tokens import job_token
from common.tokens.keyring import KeyRing

LONGEST_DURATION = 1440


@dataclass(frozen=True)
class Site:
    """Where trainers run and what they are told; the same for all of them."""

    namespace: str
    addresses: Addresses
    start_allowance: timedelta
    storage: Storage
    ring: KeyRing
    queue: str | None = None


@dataclass(frozen=True)
class Plan:
    """A launch that is to be made."""

    item: Item
    job: Json
    issued_at: datetime


@dataclass(frozen=True)
class Spent:
    """A launch that must not be made: the job has used up its running time, or asks for what it
    may not have."""

    item: Item
    rule: str
    reason: str


def site_of(environ: Environ) -> Site:
    """The site that the settings describe. Where each function has an address of its own, the
    base that trainers get is the users'. Raises SettingsError."""
    callbacks, public, tracking, beats = load(environ, Callbacks, PublicUrl, Tracking, Beats)
    cluster, start, storage, keys = load(environ, Cluster, Start, Storage, JobKeys)
    shared = "{function}" not in callbacks.template
    addresses = Addresses(
        base=callbacks.template if shared else public.url,
        heartbeat=callbacks.url("heartbeat"),
        event=callbacks.url("event"),
        done=callbacks.url("done"),
        tracking=tracking.url,
        heartbeat_interval=beats.interval,
    )
    return Site(cluster.namespace, addresses, start.limit, storage, keys.ring, cluster.queue)


async def fix(
    connection: Queryable, items: Sequence[Item], site: Site, *, now: datetime
) -> tuple[list[Plan], list[Spent]]:
    """The plans of these launches, made where there were none. What is missing from the answer is
    not wanted any more."""
    wanted = {(item.job_id, item.attempt): item for item in items}
    rows = await connection.fetch(statement("read_launches"), *_columns(items))
    spent: list[Spent] = []
    fresh: list[dict[str, Any]] = []
    for row in rows:
        try:
            fresh += _fixed(row, site, now)
        except ValueError as wrong:
            rule = "deadline-exceeded" if isinstance(wrong, TimeSpent) else "launch-refused"
            spent.append(Spent(wanted[row["id"], row["attempt"]], rule, str(wrong)))
    if fresh:
        await connection.execute(statement("fix_plans"), fresh)
    out = {(one.item.job_id, one.item.attempt) for one in spent}
    live = {(row["id"], row["attempt"]) for row in rows} - out
    fixed = await connection.fetch(statement("read_plans"), *_columns([wanted[k] for k in live]))
    plans = [
        Plan(wanted[row["job_id"], row["attempt"]], row["plan"]["job"], row["token_issued_at"])
        for row in fixed
    ]
    return plans, spent


def credentials(site: Site, job_id: UUID, attempt: int, issued_at: datetime) -> Mapping[str, str]:
    """What an attempt's Secret holds; the same for the same instant."""
    key = address.result_key(str(job_id), attempt)
    url = presign.presign(site.storage, "PUT", key, issued_at, presign.LONGEST)
    token = job_token.issue(site.ring, str(job_id), attempt, issued_at)
    return {"token": token, "result_put_url": url}


class TimeSpent(ValueError):
    """The job has used up its running time."""


def _columns(items: Sequence[Item]) -> tuple[list[UUID], list[int]]:
    return [item.job_id for item in items], [item.attempt for item in items]


def _fixed(row: Mapping[str, Any], site: Site, now: datetime) -> list[dict[str, Any]]:
    issued_at: datetime | None = row["token_issued_at"]
    if row["plan"] is not None and issued_at and now - issued_at < job_token.LIFETIME / 2:
        return []
    plan = row["plan"] or {"job": _job(row, site)}
    # Tokens count in whole seconds: what is kept is what they are derived from.
    instant = now.astimezone(UTC).replace(microsecond=0)
    identity = {"job_id": row["id"], "attempt": row["attempt"]}
    fixed = {"plan": plan, "token_issued_at": instant, "was": issued_at}
    return [identity | fixed | {"resumed_from": _resumed_from(row["checkpoint"])}]


def _resumed_from(checkpoint: Mapping[str, Any] | None) -> dict[str, Any]:
    """Where the attempt is to go on among what this job told; nowhere where it begins anew, or
    from what another job saved."""
    known = checkpoint or {}
    return {name: known.get(name) for name in ("attempt", "step", "epoch")}


def _job(row: Mapping[str, Any], site: Site) -> Json:
    trainee = _trainee(row, site)
    return manifest.job(trainee, site.addresses, site.namespace, queue=site.queue)


def _trainee(row: Mapping[str, Any], site: Site) -> Trainee:
    request = row["request"]
    left = max_duration(request) - timedelta(seconds=row["ran_seconds"])
    if left <= timedelta():
        raise TimeSpent(str(TimeSpent.__doc__))
    chosen = resolved(request)
    return Trainee(
        job_id=row["id"],
        project_id=row["project_id"],
        attempt=row["attempt"],
        trace_id=row["trace_id"],
        traceparent=row["traceparent"],
        dataset_id=row["dataset_id"],
        job_type=row["job_type"],
        request=request,
        resolved=chosen,
        model_name=row["output_model_name"],
        model_version=row["output_model_version"],
        checkpoint=row["checkpoint"] or chosen["checkpoint"],
        left=left,
        start_allowance=site.start_allowance,
    )


def max_duration(request: Mapping[str, Any]) -> timedelta:
    """The running time that the submitter allowed."""
    profile = request.get("resourceProfile") or {}
    return timedelta(minutes=profile.get("maxDuration") or LONGEST_DURATION)
