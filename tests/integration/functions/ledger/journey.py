"""Jobs that go their way by transitions, hours apart by a clock that may go back."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from common.jobs import submission
from common.jobs.state import Trigger
from common.jobs.transition import Applied, Refused
from common.postgres import statement, transaction
from common.sync import apply as sync
from common.sync.decision import Note
from common.sync.observe import read_rows
from tests.jobs import NOW, apply, intent_of, submission_of

HOUR = timedelta(hours=1)


def on_gpu(count: int, kind: str = "nvidia-t4") -> dict[str, Any]:
    profile = {"gpuCount": count, "gpuType": kind, "maxDuration": 60}
    return {"resolved": {"gpu": {"type": kind, "count": count}}, "resourceProfile": profile}


def on_cpu(cores: float) -> dict[str, Any]:
    profile = {"cpuCores": cores, "memory": "1Gi", "maxDuration": 60}
    return {"resolved": {"gpu": None}, "resourceProfile": profile}


@dataclass
class Journey:
    pool: asyncpg.Pool
    id: UUID
    now: datetime
    attempt: int = 1
    saved: int = 0

    @classmethod
    async def begin(
        cls, pool: asyncpg.Pool, request: dict[str, Any], *, at: datetime = NOW, **fields: Any
    ) -> "Journey":
        made = submission_of(request=request, **fields)
        async with transaction(pool) as connection:
            await submission.submit(connection, made, key=None, now=at)
        return cls(pool, made.id, at)

    async def goes(self, trigger: Trigger, hours: float) -> Applied | Refused:
        """After so many hours this happens to it."""
        self.now += HOUR * hours
        result = await apply(self.pool, intent_of(self.id, trigger, self.attempt), self.now)
        if isinstance(result, Applied):
            self.attempt = result.after.attempt
        return result

    async def saves(self, hours: float) -> None:
        self.now += HOUR * hours
        self.saved += 1
        await self.pool.execute(
            "insert into checkpoints (id, job_id, attempt, number, name, uri, sha256, size,"
            " created_at) values (gen_random_uuid(), $1, $2, $3, 'c', 's3://b/c', '', 1, $4)",
            self.id,
            self.attempt,
            self.saved,
            self.now,
        )

    async def goes_on(self, hours: float) -> None:
        """status-sync sees that it makes progress again."""
        self.now += HOUR * hours
        rows = [row for row in await read_rows(self.pool) if row.key.job_id == self.id]
        notes = [Note(row, row.observed, None, None, None, None) for row in rows]
        await sync.note(self.pool, notes, now=self.now)

    async def is_swept(self) -> None:
        """Long after: of its checkpoints and its timeline nothing is left."""
        later = self.now + HOUR * 24 * 500
        sweep = statement("sweep_checkpoints")
        await self.pool.fetch(sweep, later, 100, True, 0, "loss", 1)
        await self.pool.execute("delete from job_events where job_id = $1", self.id)
        assert await self.pool.fetchval("select count(*) from checkpoints") == 0
