"""Rule 5: whoever locks several rows locks them in the order of the jobs' ids."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from common.errors import Conflict, StaleAttempt
from common.jobs import beat, ending, life, report, transition
from common.jobs.beat import Beat
from common.jobs.ending import Ending
from common.jobs.report import Report
from common.jobs.retry import Evidence, RetryRules
from common.jobs.state import LIVE, Status, Trigger
from common.postgres import statement, transaction
from tests.jobs import NOW, intent_of, make_job
from tests.kubernetes import until
from tests.postgres_server import CLONE

RULES = RetryRules.parse((CLONE / Path("infra/base/config/retry-rules.yaml")).read_bytes())
HIGH = UUID("ffffffff-ffff-4fff-bfff-ffffffffffff")
LOW = UUID("00000000-0000-4000-8000-000000000000")


def rows(**columns: Any) -> list[dict[str, Any]]:
    return [{"job_id": job, "id": job, "attempt": 1} | columns for job in (HIGH, LOW)]


def instants() -> list[dict[str, Any]]:
    return rows(token_issued_at=NOW, was=None, plan={}, next_at=NOW, waiting_for="x")


WAITING = "select exists (select from pg_locks where not granted)"
IDS = [HIGH, LOW]
BOTH = [1, 1]
BODIES = ["{}", "{}"]
STATEMENTS: dict[str, tuple[str, list[Any]]] = {
    "lock_jobs": ("jobs", [IDS]),
    "hold_jobs": ("jobs", [rows(waiting_for="x")]),
    "note_jobs": ("jobs", [rows(status="pending"), NOW]),
    "record_heartbeats": ("beats", [IDS, BOTH, BOTH, BODIES, BODIES, NOW]),
    "change_beats": ("beats", [rows(open=True, waiting=True, command="stop")]),
    "change_attempts": ("attempts", [rows(launched_at=NOW)]),
    "fix_plans": ("attempts", [instants()]),
    "note_attempts": ("attempts", [rows()]),
    "note_reissued": ("attempts", [IDS, BOTH, NOW]),
    "settle_attempts": ("attempts", [rows(), NOW]),
    "forget_logs": ("attempts", [IDS, BOTH]),
    "postpone_launches": ("work", [instants()]),
    "settle_launches": ("work", [IDS, NOW]),
}


class TestLockOrder:
    @pytest.mark.parametrize("name", list(STATEMENTS))
    async def test_is_that_of_the_ids_whatever_was_asked_for_first(
        self, pool: asyncpg.Pool, name: str
    ) -> None:
        """While the lower row cannot be had, the higher one is not touched."""
        table, arguments = STATEMENTS[name]
        for job_id in (HIGH, LOW):
            await make_job(pool, id=job_id)
        if name == "settle_launches":
            await pool.execute("update jobs set status = 'cancelled'")
        key = "id" if table == "jobs" else "job_id"
        lock = f"select {key} from {table} where {key} = $1 for no key update"
        async with pool.acquire() as one, pool.acquire() as two:
            async with one.transaction():
                await one.execute(lock, LOW)
                waiting = asyncio.create_task(two.execute(statement(name), *arguments))
                await until(lambda: pool.fetchval(WAITING))
                free = await pool.fetchval(f"{lock} skip locked", HIGH)
            await waiting

        assert free == HIGH


class Crowd:
    """Everybody who writes about the same few jobs at once."""

    def __init__(self, pool: asyncpg.Pool, jobs: Sequence[UUID], seed: int) -> None:
        self._pool = pool
        self._jobs = jobs
        self._random = random.Random(seed)

    async def some(self) -> list[tuple[UUID, int]]:
        """Some jobs in any order, with the attempts that were theirs a moment ago."""
        jobs = self._random.sample(self._jobs, self._random.randint(2, len(self._jobs)))
        attempts = dict(await self._pool.fetch("select job_id, attempt from beats"))
        return [(job, attempts[job]) for job in jobs]

    async def beat(self, turn: int) -> None:
        beats = [Beat(*each, turn, "", "{}") for each in await self.some()]
        await beat.record(self._pool, beats, now=NOW)

    async def tell(self, turn: int) -> None:
        job_id, attempt = (await self.some())[0]
        told = Report(job_id, attempt, uuid4().hex, "epoch_end", {}, NOW)
        with suppress(StaleAttempt):
            async with transaction(self._pool) as connection:
                await report.record(connection, told, now=NOW)
        await life.come_alive(self._pool, job_id, attempt, source="event", now=NOW)

    async def finish(self, turn: int) -> None:
        told = Ending(*(await self.some())[0], "failed", Evidence("transient"))
        with suppress(Conflict, StaleAttempt):
            async with transaction(self._pool) as connection:
                await ending.end(
                    connection, told, source="done", rules=RULES, now=NOW, jitter=lambda: 0.5
                )

    async def cancel(self, turn: int) -> None:
        if turn % 8 == 7:
            await self._apply((await self.some())[:1], Trigger.CANCEL_ASKED)

    async def sync(self, turn: int) -> None:
        trigger = self._random.choice([Trigger.LAUNCHED, Trigger.ALIVE, Trigger.FAILED_RETRYABLE])
        await self._apply(await self.some(), trigger)

    async def note(self, turn: int) -> None:
        noted = [{"job_id": j, "attempt": a, "status": "running"} for j, a in await self.some()]
        await self._pool.execute(statement("note_jobs"), noted, NOW)
        await self._pool.execute(statement("note_attempts"), noted)

    async def _apply(self, jobs: Sequence[tuple[UUID, int]], trigger: Trigger) -> None:
        async with transaction(self._pool) as connection:
            intents = [intent_of(job, trigger, attempt) for job, attempt in jobs]
            await transition.apply(connection, intents, now=NOW)


class TestCrowd:
    @pytest.mark.parametrize("seed", range(3))
    async def test_never_deadlocks_and_numbers_without_gap(
        self, pool: asyncpg.Pool, seed: int
    ) -> None:
        jobs = [await make_job(pool, max_retries=1) for _ in range(6)]
        crowd = Crowd(pool, jobs, seed)

        async def keep_doing(deed: Callable[[int], Awaitable[None]]) -> None:
            for turn in range(25):
                await deed(turn)

        deeds = (crowd.beat, crowd.beat, crowd.tell, crowd.tell, crowd.sync, crowd.sync, crowd.note)
        await asyncio.gather(*map(keep_doing, (*deeds, crowd.finish, crowd.cancel)))

        assert await _deadlocks(pool) == 0
        for job_id in jobs:
            await _check_numbers(pool, job_id)


async def _deadlocks(pool: asyncpg.Pool) -> int:
    return await pool.fetchval(
        "select deadlocks from pg_stat_database where datname = current_database()"
    )


async def _check_numbers(pool: asyncpg.Pool, job_id: UUID) -> None:
    events = await pool.fetch(
        "select sequence, status_from, status_to from job_events where job_id = $1 order by 1",
        job_id,
    )
    reports = await pool.fetch("select number from reports where job_id = $1 order by 1", job_id)
    assert reports
    job = await pool.fetchrow("select status, attempt, sequence from jobs where id = $1", job_id)
    fence = await pool.fetchrow("select attempt, open from beats where job_id = $1", job_id)
    assert job is not None
    assert fence is not None
    assert [e["sequence"] for e in events] == list(range(1, job["sequence"] + 1))
    assert [b["status_from"] for b in events[1:]] == [a["status_to"] for a in events[:-1]]
    assert [r["number"] for r in reports] == list(range(1, len(reports) + 1))
    assert tuple(fence) == (job["attempt"], Status(job["status"]) in LIVE)
