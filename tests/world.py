"""A whole installation without its HTTP side: Postgres, a cluster of processes, S3, and ticks."""

import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg

from common.events import Event
from common.jobs.retry import RetryRules
from common.jobs.state import Trigger
from common.launch.plan import Site
from common.settings import Storage
from common.storage import address
from common.storage.objects import Objects
from common.sync.decide import Limits
from common.sync.retention import Retention
from common.sync.tick import Tools, tick
from tests.jobs import apply, intent_of, make_job
from tests.kubernetes import SITE, SLEEP, Kubernetes, request_of, until

RULES = Path(__file__).parents[1] / "infra/base/config/retry-rules.yaml"
LIMITS = Limits(timedelta(minutes=10), timedelta(minutes=1), timedelta(minutes=15))


@dataclass
class World:
    """The clock is the machine's, and can be put forward."""

    pool: asyncpg.Pool
    cluster: Kubernetes
    objects: Objects
    storage: Storage
    ahead: timedelta = timedelta()
    published: list[Event] = field(default_factory=list[Event])
    broker_is_up: bool = True
    limits: Limits = LIMITS
    site: Site = SITE
    interval: timedelta = timedelta(seconds=1)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def tools(self) -> Tools:
        rules = RetryRules.parse(RULES.read_bytes())
        return Tools(
            pool=self.pool,
            cluster=self.cluster.client,
            objects=self.objects,
            site=replace(self.site, storage=self.storage),
            publish=self._publish,
            rules=lambda: rules,
            retention=Retention,
            limits=self.limits,
            interval=self.interval,
            now=self.now,
            jitter=lambda: 0.5,
        )

    async def tick(self, after: float = 1) -> bool:
        """A tick, so many seconds after now."""
        self.ahead += timedelta(seconds=after)
        return await tick(self.tools())

    async def submit(self, script: str = SLEEP, **changes: Any) -> UUID:
        columns = {k: changes.pop(k) for k in ("stall_policy", "max_retries") if k in changes}
        return await make_job(self.pool, request=request_of(script, **changes), **columns)

    async def start(self, script: str = SLEEP, **changes: Any) -> UUID:
        """A job whose pod runs and whose row says so."""
        job_id = await self.submit(script, **changes)
        await self.tick()
        await self.until_phase(job_id, "Running")
        await self.tick()
        assert await self.status(job_id) == "running"
        return job_id

    async def end(self, script: str, **changes: Any) -> UUID:
        """A job whose pod is over, and nobody has looked since."""
        job_id = await self.submit(script, **changes)
        await self.tick()
        await self.until_phase(job_id, "Succeeded", "Failed")
        await self.until_job_is_over(job_id)
        return job_id

    async def until_phase(self, job_id: UUID, *phases: str, attempt: int = 1) -> None:
        async def reached() -> bool:
            pod = await self.cluster.pod(job_id, attempt)
            return bool(pod) and pod["status"]["phase"] in phases

        await until(reached)

    async def until_printed(self, job_id: UUID, text: str) -> None:
        """So that a signal finds the program ready for it."""

        async def printed() -> bool:
            pod = await self.cluster.pod(job_id)
            name = pod["metadata"]["name"] if pod else ""
            log = await self.cluster.client.read_log(name, lines=100, limit=10_000)
            return text.encode() in log

        await until(printed)

    async def until_job_is_over(self, job_id: UUID, attempt: int = 1) -> None:
        async def over() -> bool:
            job = await self.cluster.job(job_id, attempt)
            kinds = {c["type"] for c in (job or {}).get("status", {}).get("conditions", ())}
            return bool(kinds & {"Complete", "Failed"})

        await until(over)

    async def until_gone(self, job_id: UUID, attempt: int = 1) -> None:
        async def gone() -> bool:
            return await self.cluster.job(job_id, attempt) is None

        await until(gone)

    async def cancel(self, job_id: UUID) -> None:
        await apply(self.pool, intent_of(job_id, Trigger.CANCEL_ASKED), self.now())

    async def beat(self, job_id: UUID, *, progressed: timedelta | None = None) -> None:
        """A trainer that was heard just now; its last progress may be longer ago."""
        await self.pool.execute(
            "update beats set last_seen = $2, progressed_at = $3, marker = '1/1/0.1' "
            "where job_id = $1",
            job_id,
            self.now(),
            self.now() - (progressed or timedelta()),
        )

    async def leave_result(self, job_id: UUID, body: Any, attempt: int = 1) -> None:
        key = address.result_key(str(job_id), attempt)
        await self.objects.put_bytes(key, json.dumps(body).encode())

    async def row(self, job_id: UUID) -> Any:
        return await self.pool.fetchrow("select * from jobs where id = $1", job_id)

    async def attempt(self, job_id: UUID, attempt: int = 1) -> Any:
        return await self.pool.fetchrow(
            "select * from attempts where job_id = $1 and attempt = $2", job_id, attempt
        )

    async def status(self, job_id: UUID) -> str:
        return (await self.row(job_id))["status"]

    async def statuses(self) -> set[str]:
        return {row["status"] for row in await self.pool.fetch("select status from jobs")}

    async def events(self, job_id: UUID) -> list[str]:
        rows = await self.pool.fetch(
            "select type from job_events where job_id = $1 order by sequence", job_id
        )
        return [row["type"].removeprefix("dev.eventrain.job.").removesuffix(".v1") for row in rows]

    async def _publish(self, event: Event) -> bool:
        if self.broker_is_up:
            self.published.append(event)
        return self.broker_is_up
