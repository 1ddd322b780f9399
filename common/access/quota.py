"""What a project may use: checked in the transaction that would use it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from common.errors import OverQuota, Violation
from common.postgres import Connection, Queryable, statement


@dataclass(frozen=True, slots=True)
class Quota:
    """None does not bound."""

    live_jobs: int | None = None
    gpus: int | None = None
    gpu_hours: float | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """What live jobs hold now, and the GPU hours of the month: a job's count in the month in which
    it was submitted, all that it may run while it is live, what it ran once it has ended: the
    ledger's useful, lost and stalled hours (common/jobs/ledger.py)."""

    live_jobs: int
    gpus: int
    gpu_hours: float
    since: datetime


async def hold(
    connection: Connection, project: UUID, request: Mapping[str, Any], *, now: datetime
) -> None:
    """Whether the job that is about to be written still fits. The project's row stays locked until
    the transaction ends, so that of many at once none passes by the others; a project without a
    quota locks nothing. Raises OverQuota with each bound by its field."""
    row = await connection.fetchrow(statement("hold_quota"), project)
    if row is None:
        return
    # A statement of its own: it sees what was committed while this one waited for the lock.
    used = await read_usage(connection, project, now=now)
    found = _violations(quota_of(row), used, request)
    if found:
        raise OverQuota(found)


async def read_usage(connection: Queryable, project: UUID, *, now: datetime) -> Usage:
    since = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    row = await connection.fetchrow(statement("read_usage"), project, since)
    assert row is not None
    return Usage(row["live_jobs"], row["gpus"], row["gpu_hours"], since)


def quota_of(row: Mapping[str, Any]) -> Quota:
    return Quota(row["max_live_jobs"], row["max_gpus"], row["max_gpu_hours"])


def _violations(quota: Quota, used: Usage, request: Mapping[str, Any]) -> list[Violation]:
    gpu = request["resolved"].get("gpu")
    gpus = gpu["count"] if gpu else 0
    hours = gpus * (request.get("resourceProfile") or {}).get("maxDuration", 0) / 60
    asked = (
        ("projectId", "live jobs", quota.live_jobs, used.live_jobs, 1),
        ("resourceProfile.gpuCount", "GPUs at once", quota.gpus, used.gpus, gpus),
        (
            "resourceProfile.maxDuration",
            "GPU hours a month",
            quota.gpu_hours,
            used.gpu_hours,
            hours,
        ),
    )
    return [
        Violation(
            field,
            f"the project may use {most:g} {what}; {taken:g} are taken, this asks for {more:g}",
        )
        for field, what, most, taken, more in asked
        if most is not None and more and taken + more > most
    ]
