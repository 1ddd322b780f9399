"""Rules 6, 7 and 8: what an attempt may write while others move its job on, and after the end."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID

import asyncpg
import pytest

from common.errors import NotFound, StaleAttempt
from common.jobs import beat, report, transition
from common.jobs.beat import Beat, Fence
from common.jobs.report import Report
from common.jobs.state import TERMINAL, Status, Trigger
from common.postgres import transaction
from tests.jobs import NOW, apply, intent_of, make_job

TELEMETRY = ("heartbeats", "reports", "checkpoints")


async def say_beat(pool: asyncpg.Pool, job_id: UUID, attempt: int) -> bool:
    beats = [Beat(job_id, attempt, 7, "1/1/None", '{"sequence":7}')]
    (fence,) = await beat.record(pool, beats, now=NOW)
    return fence is not None and fence.attempt == attempt


async def say_report(pool: asyncpg.Pool, job_id: UUID, attempt: int) -> bool:
    return await _say(pool, Report(job_id, attempt, "one", "epoch_end", {}, NOW))


async def say_checkpoint(pool: asyncpg.Pool, job_id: UUID, attempt: int) -> bool:
    uri = f"s3://eventrain/jobs/{job_id}/{attempt}/checkpoints/c"
    payload = {"name": "c", "uri": uri, "sha256": "a" * 64, "size": 1}
    return await _say(pool, Report(job_id, attempt, "two", "checkpoint_saved", payload, NOW))


async def _say(pool: asyncpg.Pool, told: Report) -> bool:
    try:
        async with transaction(pool) as connection:
            recorded = await report.record(connection, told, now=NOW)
            if recorded.fence is not None and told.type == "checkpoint_saved":
                await report.add_checkpoint(connection, told, recorded.number, now=NOW)
    except StaleAttempt:
        return False
    return True


Say = Callable[[asyncpg.Pool, UUID, int], Awaitable[bool]]
SAYINGS: list[Say] = [say_beat, say_report, say_checkpoint]


async def written(pool: asyncpg.Pool) -> int:
    counts = [await pool.fetchval(f"select count(*) from {table}") for table in TELEMETRY]
    return sum(counts)


@pytest.mark.parametrize("say", SAYINGS)
class TestFence:
    async def test_keeps_out_an_attempt_that_is_superseded_while_it_speaks(
        self, pool: asyncpg.Pool, say: Say
    ) -> None:
        """The word began under the old attempt and waits for the row: what counts is what the
        transition left behind."""
        job_id = await make_job(pool, Status.RUNNING)
        async with transaction(pool) as moving:
            await transition.apply(moving, [intent_of(job_id, Trigger.FAILED_RETRYABLE)], now=NOW)
            speaking = asyncio.create_task(say(pool, job_id, 1))
            done, _ = await asyncio.wait([speaking], timeout=0.1)
            assert not done

        assert await speaking is False
        assert await written(pool) == 0

    async def test_makes_a_transition_wait_for_a_word_that_was_first(
        self, pool: asyncpg.Pool, say: Say
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)

        said, _ = await asyncio.gather(
            say(pool, job_id, 1), apply(pool, intent_of(job_id, Trigger.FAILED_RETRYABLE))
        )

        assert (await written(pool) > 0) is said
        fence = await pool.fetchrow("select attempt, sequence, last_seen, body from beats")
        assert fence is not None
        assert tuple(fence) == (2, 0, None, None)

    @pytest.mark.parametrize("status", sorted(TERMINAL))
    async def test_lets_the_last_attempt_add_telemetry_after_the_end_and_no_state(
        self, pool: asyncpg.Pool, say: Say, status: Status
    ) -> None:
        job_id = await make_job(pool, status)
        before = await _state(pool)

        assert await say(pool, job_id, 1)

        assert await written(pool) > 0
        assert await _state(pool) == before

    async def test_keeps_out_an_older_attempt_after_the_end(
        self, pool: asyncpg.Pool, say: Say
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        await apply(pool, intent_of(job_id, Trigger.FAILED_RETRYABLE))
        await apply(pool, intent_of(job_id, Trigger.SUCCEEDED, attempt=2))

        assert await say(pool, job_id, 1) is False
        assert await written(pool) == 0

    async def test_keeps_out_an_attempt_that_is_not_there_yet(
        self, pool: asyncpg.Pool, say: Say
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)

        assert await say(pool, job_id, 2) is False
        assert await written(pool) == 0


async def test_a_group_hears_how_each_stands_in_its_own_order(pool: asyncpg.Pool) -> None:
    running, waiting = [await make_job(pool, at) for at in (Status.RUNNING, Status.QUEUED)]
    stopped, ended = [await make_job(pool, Status.RUNNING) for _ in range(2)]
    await pool.execute("update beats set command = 'stop' where job_id = $1", stopped)
    await apply(pool, intent_of(ended, Trigger.SUCCEEDED))
    said = [
        (waiting, 1),
        (running, 2),
        (UUID(int=7), 1),
        (running, 1),
        (stopped, 1),
        (ended, 1),
        (running, 1),
    ]

    stands = await beat.record(
        pool, [Beat(*each, turn, "", "{}") for turn, each in enumerate(said)], now=NOW
    )

    usual = Fence(1, open=True, waiting=False, command="continue")
    assert list(stands) == [
        Fence(1, open=True, waiting=True, command="continue"),
        usual,
        None,
        usual,
        Fence(1, open=True, waiting=False, command="stop"),
        Fence(1, open=False, waiting=False, command="stop"),
        usual,
    ]
    stored = await pool.fetch("select job_id, sequence from heartbeats order by sequence")
    assert [(s["job_id"], s["sequence"]) for s in stored] == [
        (job_id, turn)
        for turn, (job_id, attempt) in enumerate(said)
        if attempt == 1 and job_id != UUID(int=7)
    ]


class TestNewestCheckpoint:
    async def test_is_the_last_that_was_told_and_not_the_last_of_an_old_attempt(
        self, pool: asyncpg.Pool
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        await say_checkpoint(pool, job_id, 1)
        await apply(pool, intent_of(job_id, Trigger.FAILED_RETRYABLE))
        await say_checkpoint(pool, job_id, 2)
        late = Report(job_id, 1, "late", "checkpoint_saved", {}, NOW)
        assert await _say(pool, late) is False

        async with pool.acquire() as connection:
            newest = await report.newest_checkpoint(connection, job_id)

        assert newest is not None
        assert newest["attempt"] == 2


async def test_knows_a_job_that_is_missing(pool: asyncpg.Pool) -> None:
    with pytest.raises(NotFound):
        await say_report(pool, UUID(int=7), 1)


async def _state(pool: asyncpg.Pool) -> list[str]:
    tables = ("jobs", "attempts", "job_events", "work")
    fences = await pool.fetch("select attempt, open, waiting, command from beats")
    rows = [await pool.fetch(f"select * from {table} order by 1, 2") for table in tables]
    return [str(row) for row in [*fences, *(each for found in rows for each in found)]]
