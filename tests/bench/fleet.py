"""Thousands of running jobs, made of one that really runs: its rows and its objects, copied."""

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from tests.bench.objects import full_job, full_pod, pod_status, stamp
from tests.kubernetes import Kubernetes

KEYS = {"jobs": "id", "attempts": "job_id", "beats": "job_id", "job_events": "job_id"}
COPIED_AT_ONCE = 1_000


class Fleet:
    """Copies of one job, and what can happen to them between two ticks."""

    def __init__(self, pool: asyncpg.Pool, cluster: Kubernetes, origin: UUID) -> None:
        self._pool = pool
        self.cluster = cluster
        self._origin = origin

    async def grow(self, count: int) -> list[UUID]:
        """So many more running jobs, each with its Kubernetes Job and pod."""
        made = [uuid4() for _ in range(count)]
        for table in KEYS:
            for start in range(0, count, COPIED_AT_ONCE):
                await self._copy(table, made[start : start + COPIED_AT_ONCE])
        await self._pool.execute(
            "update beats set last_seen = now(), progressed_at = now(), marker = '3/120/0.41'"
        )
        job, pod = await self.cluster.job(self._origin), await self.cluster.pod(self._origin)
        assert job
        assert pod
        for kind, body in (("jobs", full_job(job)), ("pods", full_pod(pod))):
            text = json.dumps(body)
            copies = [self._renamed(text, job["metadata"]["uid"], each) for each in made]
            self.cluster.server.insert(kind, copies)
        return made

    async def queue(self, job_ids: Sequence[UUID]) -> None:
        """As if launched, and not seen alive so far."""
        await self._pool.execute(
            "update jobs set status = 'queued', run_started_at = null where id = any($1)", job_ids
        )
        await self._pool.execute("update beats set waiting = true where job_id = any($1)", job_ids)
        await self._pool.execute(
            "update attempts set started_at = null where job_id = any($1)", job_ids
        )
        await self._change_pods(job_ids, pod_status("Pending", {}))

    async def start(self, job_ids: Sequence[UUID]) -> None:
        await self._change_pods(job_ids, pod_status("Running", {"running": {"startedAt": stamp()}}))

    async def crash(self, job_ids: Sequence[UUID]) -> None:
        """Their programs ended a minute ago, and nobody was told."""
        at = stamp(timedelta(minutes=1))
        ended = {"terminated": {"exitCode": 1, "reason": "Error", "finishedAt": at}}
        await self._change_pods(job_ids, pod_status("Failed", ended))
        condition = {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}
        failed = {"failed": 1, "conditions": [condition | {"lastTransitionTime": at}]}
        for job_id in job_ids:
            found = await self.cluster.job(job_id)
            assert found
            self.cluster.server.insert("jobs", [{**found, "status": failed}])

    async def cancel(self, job_ids: Sequence[UUID]) -> None:
        await self._pool.execute(
            "update jobs set cancel_requested_at = now() where id = any($1)", job_ids
        )

    async def _copy(self, table: str, job_ids: Sequence[UUID]) -> None:
        key = KEYS[table]
        fresh = "|| jsonb_build_object('id', gen_random_uuid())" if table == "job_events" else ""
        await self._pool.execute(
            f"insert into {table} select (jsonb_populate_record(one,"
            f" jsonb_build_object('{key}', made.id) {fresh})).*"
            f" from {table} as one cross join unnest($2::uuid[]) as made (id)"
            f" where one.{key} = $1",
            self._origin,
            job_ids,
        )

    async def _change_pods(self, job_ids: Sequence[UUID], status: dict[str, Any]) -> None:
        for job_id in job_ids:
            found = await self.cluster.pod(job_id)
            assert found
            self.cluster.server.insert("pods", [{**found, "status": status}])

    def _renamed(self, text: str, owner: str, job_id: UUID) -> dict[str, Any]:
        """Another job's object; its id serves as its Job's uid too."""
        body = json.loads(text.replace(str(self._origin), str(job_id)).replace(owner, str(job_id)))
        if body["metadata"]["uid"] != str(job_id):
            body["metadata"]["uid"] = str(uuid4())
        return body
