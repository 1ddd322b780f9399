"""Launches what a job event tells of."""

from collections.abc import Callable, Collection
from datetime import datetime
from uuid import UUID

import asyncpg

from common.launch.cluster import Cluster
from common.launch.launch import launch_due
from common.launch.plan import Site


async def launch_job(
    job_id: UUID,
    *,
    pool: asyncpg.Pool,
    cluster: Cluster,
    site: Site,
    announce: Callable[[Collection[UUID]], None],
    now: datetime,
) -> None:
    """Woken by `job.submitted` and `job.retry_scheduled`, which say nothing but which job: makes
    the Kubernetes Job of its present attempt where its launch is due, and emits `job.queued`, or
    `job.failed` where the cluster refuses for good. What cannot be made now, or is too early, or
    is in another's hands, stays a row that status-sync comes back to. Fails only without the
    database.
    """
    announce(
        await launch_due(
            pool, cluster=cluster, site=site, source="launch-job", now=now, job_id=job_id
        )
    )
