"""Retention: what is old is deleted, a little at each sweep. What may be how old is said in one
place, retention.yaml; what is looked at and what is deleted is said by the same statements."""

from collections.abc import AsyncIterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple, TypeVar

import asyncpg

from common.postgres import statement
from common.storage import address
from common.storage.objects import Objects
from common.sync.retention import Retention

T = TypeVar("T")

STEP = 500
JOBS_IN_A_STEP = 50
COUNTED = 100_000
SPACING = timedelta(hours=1)
UPLOADED = ("jobs/", "datasets/", "projects/", "models/")
ROWS: Mapping[str, tuple[str, str]] = {
    "idempotency keys": ("sweep_idempotency_keys", "idempotency_keys_days"),
    "finished work": ("sweep_work", "finished_work_days"),
    "webhook deliveries": ("sweep_deliveries", "finished_work_days"),
    "timeline": ("sweep_timeline", "timeline_days"),
    "reports": ("sweep_reports", "timeline_days"),
    "experiment runs": ("sweep_runs", "timeline_days"),
    "logged models": ("sweep_logged_models", "timeline_days"),
    "log lines": ("sweep_log_reports", "logs_days"),
    "heartbeats": ("sweep_packs", "heartbeats_days"),
    "audit": ("sweep_audit", "audit_days"),
    "tokens": ("sweep_tokens", "finished_work_days"),
    "outlines": ("sweep_outlines", "outlines_days"),
}


class Found(NamedTuple):
    """What of a kind is older than it may be: rows, objects, and bytes as far as they are known;
    whether there may be more."""

    kind: str
    days: float
    rows: int = 0
    objects: int = 0
    size: int | None = 0
    more: bool = False


@dataclass(frozen=True)
class Sweeper:
    """Looks, or looks and deletes: `really`."""

    pool: asyncpg.Pool
    objects: Objects
    retention: Retention
    now: datetime
    limit: int
    really: bool

    def before(self, days: float) -> datetime:
        return self.now - timedelta(days=days)

    async def sweep(self) -> list[Found]:
        """One step of each kind."""
        return [
            *[await self._rows(kind) for kind in ROWS],
            await self._pod_logs(),
            await self._checkpoints(),
            await self._uploads(),
            await self._letters(),
        ]

    async def _rows(self, kind: str) -> Found:
        name, setting = ROWS[kind]
        days = getattr(self.retention, setting)
        found = await self.pool.fetchrow(
            statement(name), self.before(days), self.limit, self.really
        )
        assert found is not None
        looked_at = found.get("found", found["rows"])
        return Found(kind, days, found["rows"], 0, found["bytes"], looked_at == self.limit)

    async def _pod_logs(self) -> Found:
        """The object first: a log without a row would never be found again."""
        days = self.retention.logs_days
        rows = await self.pool.fetch(statement("old_logs"), self.before(days), self.limit)
        if self.really and rows:
            for row in rows:
                await self.objects.delete(address.parse(row["log_uri"]).key)
            ids, attempts = [r["job_id"] for r in rows], [r["attempt"] for r in rows]
            await self.pool.execute(statement("forget_logs"), ids, attempts)
        return Found("pod logs", days, 0, len(rows), None, len(rows) == self.limit)

    async def _checkpoints(self) -> Found:
        """The rows first: an attempt must never be sent to a checkpoint that is gone. Then
        whatever else lies where they lay; only then is their job done with."""
        days, best = self.retention.checkpoints_after_days, self.retention.best
        limit = min(self.limit, JOBS_IN_A_STEP) if self.really else self.limit
        jobs = await self.pool.fetch(
            statement("sweep_checkpoints"),
            self.before(days),
            limit,
            self.really,
            self.retention.checkpoints,
            best.metric,
            1 if best.wanted == "least" else -1,
        )
        if self.really and jobs:
            for job in jobs:
                await self._clear(job)
            await self.pool.execute(
                statement("note_swept"), [job["job_id"] for job in jobs], self.now
            )
        rows, size = sum(job["rows"] for job in jobs), sum(job["bytes"] for job in jobs)
        return Found("checkpoints", days, rows, rows, size, len(jobs) == limit)

    async def _clear(self, job: Mapping[str, Any]) -> None:
        """Whatever else a job names stays, though it should lie among its checkpoints."""
        kept = {key for uri in job["kept"] if (key := _key(uri))}
        for attempt in range(1, job["attempts"] + 1):
            prefix = address.checkpoints_prefix(str(job["job_id"]), attempt)
            async for there in self.objects.walk(prefix):
                if not any(there.key == key or address.within(key, there.key) for key in kept):
                    await self.objects.delete(there.key)

    async def _uploads(self) -> Found:
        days = self.retention.unfinished_uploads_days
        before = self.before(days)
        old = [
            upload
            for prefix in UPLOADED
            for upload in await _some(self.objects.uploads(prefix, before), self.limit)
        ]
        if self.really:
            for upload in old:
                await self.objects.abort_upload(upload.key, upload.upload_id)
        return Found("unfinished uploads", days, 0, len(old), None, len(old) >= self.limit)

    async def _letters(self) -> Found:
        """They lie by the day."""
        days = self.retention.dead_letters_days
        until = f"{address.DEAD_LETTERS}{self.before(days).date().isoformat()}"
        old = await _some(self.objects.walk(address.DEAD_LETTERS, until=until), self.limit)
        if self.really:
            for letter in old:
                await self.objects.delete(letter.key)
        size = sum(letter.size for letter in old)
        return Found("dead letters", days, 0, len(old), size, len(old) == self.limit)


async def sweep(
    pool: asyncpg.Pool, objects: Objects, retention: Retention, *, now: datetime
) -> bool:
    """One step of each kind; True where there is more to do."""
    found = await Sweeper(pool, objects, retention, now, STEP, really=True).sweep()
    return any(each.more for each in found)


async def look(
    pool: asyncpg.Pool, objects: Objects, retention: Retention, *, now: datetime
) -> Sequence[Found]:
    """What is older than it may be, counted no further than COUNTED of a kind."""
    return await Sweeper(pool, objects, retention, now, COUNTED, really=False).sweep()


def _key(uri: str) -> str | None:
    try:
        return address.parse(uri).key
    except address.BadAddress:
        return None


async def _some(found: AsyncIterable[T], limit: int) -> list[T]:
    some: list[T] = []
    async for each in found:
        some.append(each)
        if len(some) == limit:
            break
    return some
