"""Every row of the table, every pair that is no row, and two connections racing."""

import asyncio
from itertools import product
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from common.jobs import transition
from common.jobs.state import LIVE, RULES, TERMINAL, Status, Trigger, find_rule
from common.jobs.transition import Applied, Intent, Refused
from common.postgres import transaction
from tests.jobs import NOW, apply, failure, intent_of, make_job

EVERYTHING = ("jobs", "attempts", "beats", "job_events", "work", "model_reservations")
PAIRS = [
    (status, trigger, cancelling)
    for status, trigger, cancelling in product(Status, Trigger, (False, True))
    if status in LIVE or not cancelling
]
ALLOWED = [pair for pair in PAIRS if find_rule(pair[0], pair[1], cancelling=pair[2])]
REFUSED = [pair for pair in PAIRS if pair not in ALLOWED]


async def snapshot(pool: asyncpg.Pool, job_id: UUID) -> dict[str, list[str]]:
    columns = {"jobs": "id"}
    return {
        table: [
            str(row)
            for row in await pool.fetch(
                f"select * from {table} where {columns.get(table, 'job_id')} = $1 order by 1, 2",
                job_id,
            )
        ]
        for table in EVERYTHING
    }


async def timeline(pool: asyncpg.Pool, job_id: UUID) -> list[tuple[Any, ...]]:
    rows = await pool.fetch(
        "select sequence, type, status_from, status_to from job_events"
        " where job_id = $1 order by sequence",
        job_id,
    )
    return [tuple(row) for row in rows]


class TestApply:
    @pytest.mark.parametrize(("status", "trigger", "cancelling"), ALLOWED)
    async def test_follows_each_row_of_the_table(
        self, pool: asyncpg.Pool, status: Status, trigger: Trigger, cancelling: bool
    ) -> None:
        job_id = await make_job(pool, status, cancelling=cancelling)
        before = await timeline(pool, job_id)
        rule = find_rule(status, trigger, cancelling=cancelling)
        assert rule is not None

        result = await apply(pool, intent_of(job_id, trigger))

        assert isinstance(result, Applied)
        row = await pool.fetchrow("select * from jobs where id = $1", job_id)
        beat = await pool.fetchrow("select * from beats where job_id = $1", job_id)
        assert row is not None
        assert beat is not None
        assert row["status"] == rule.target
        assert beat["open"] is (rule.target in LIVE)
        assert beat["attempt"] == row["attempt"]
        after = await timeline(pool, job_id)
        assert after[: len(before)] == before
        assert [line[1] for line in after[len(before) :]] == list(rule.emits)
        assert [line[0] for line in after] == list(range(1, len(after) + 1))
        assert row["sequence"] == len(after)
        assert after[-1][3] == rule.target
        assert [b[2] for b in after[1:]] == [a[3] for a in after[:-1]]

    @pytest.mark.parametrize(("status", "trigger", "cancelling"), REFUSED)
    async def test_changes_nothing_for_a_pair_that_is_no_row(
        self, pool: asyncpg.Pool, status: Status, trigger: Trigger, cancelling: bool
    ) -> None:
        job_id = await make_job(pool, status, cancelling=cancelling)
        before = await snapshot(pool, job_id)

        result = await apply(pool, intent_of(job_id, trigger))

        assert isinstance(result, Refused)
        assert result.why == "not allowed"
        assert await snapshot(pool, job_id) == before

    @pytest.mark.parametrize("trigger", list(Trigger))
    async def test_changes_nothing_for_an_older_attempt(
        self, pool: asyncpg.Pool, trigger: Trigger
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        await apply(pool, intent_of(job_id, Trigger.FAILED_RETRYABLE))
        before = await snapshot(pool, job_id)

        result = await apply(pool, intent_of(job_id, trigger, attempt=1))

        assert isinstance(result, Refused)
        assert result.why == "stale"
        assert await snapshot(pool, job_id) == before

    async def test_knows_a_job_that_is_missing(self, pool: asyncpg.Pool) -> None:
        result = await apply(pool, intent_of(uuid4(), Trigger.ALIVE))

        assert result == Refused("missing")

    @pytest.mark.parametrize(
        ("first", "second"),
        [
            pair
            for pair in product(Trigger, Trigger)
            if find_rule(Status.RUNNING, pair[0], cancelling=False)
            or find_rule(Status.QUEUED, pair[0], cancelling=False)
        ],
    )
    async def test_lets_one_of_two_racing_connections_go_first(
        self, pool: asyncpg.Pool, first: Trigger, second: Trigger
    ) -> None:
        """The second waits for the first and is then judged by what it left."""
        status = (
            Status.RUNNING if find_rule(Status.RUNNING, first, cancelling=False) else Status.QUEUED
        )
        job_id = await make_job(pool, status)
        async with pool.acquire() as one, pool.acquire() as two:
            opened = one.transaction()
            await opened.start()
            (result,) = await transition.apply(one, [intent_of(job_id, first)], now=NOW)
            assert isinstance(result, Applied)

            async def race() -> transition.Result:
                async with two.transaction():
                    (late,) = await transition.apply(two, [intent_of(job_id, second)], now=NOW)
                return late

            waiting = asyncio.create_task(race())
            done, _ = await asyncio.wait([waiting], timeout=0.05)
            assert not done
            await opened.commit()
            late = await waiting
        standing = result.after
        expected = find_rule(standing.status, second, cancelling=standing.cancelling)
        stalled_again = second is Trigger.STALLED and standing.stalled_at is not None
        if standing.attempt == 1 and expected is not None and not stalled_again:
            assert isinstance(late, Applied)
        else:
            assert isinstance(late, Refused)
        lines = await timeline(pool, job_id)
        assert [line[0] for line in lines] == list(range(1, len(lines) + 1))

    async def test_applies_many_jobs_without_deadlock_whatever_their_order(
        self, pool: asyncpg.Pool
    ) -> None:
        jobs = [await make_job(pool, Status.QUEUED) for _ in range(8)]

        async def all_of(order: list[UUID], trigger: Trigger) -> list[transition.Result]:
            async with transaction(pool) as connection:
                return await transition.apply(
                    connection, [intent_of(job, trigger) for job in order], now=NOW
                )

        await asyncio.gather(
            *(all_of(jobs, Trigger.ALIVE) for _ in range(3)),
            *(all_of(jobs[::-1], Trigger.CANCEL_ASKED) for _ in range(3)),
        )

        rows = await pool.fetch("select status, cancel_requested_at, sequence from jobs")
        assert {row["status"] for row in rows} == {"running"}
        assert all(row["cancel_requested_at"] for row in rows)
        assert {row["sequence"] for row in rows} == {4}

    async def test_opens_the_next_attempt_with_its_own_fence_and_launch(
        self, pool: asyncpg.Pool
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)

        await apply(pool, intent_of(job_id, Trigger.FAILED_RETRYABLE))

        attempts = await pool.fetch(
            "select attempt, outcome, error_class, rule from attempts"
            " where job_id = $1 order by attempt",
            job_id,
        )
        assert [tuple(row) for row in attempts] == [
            (1, "failed", "transient", "test"),
            (2, None, None, None),
        ]
        work = await pool.fetch(
            "select attempt, state from work where kind = 'launch' order by attempt"
        )
        assert [tuple(row) for row in work] == [(1, "done"), (2, "due")]

    async def test_spends_the_budget_that_the_failure_names(self, pool: asyncpg.Pool) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        preempted = Intent(
            job_id, 1, Trigger.FAILED_RETRYABLE, "test", failure=failure(budget="preemptions")
        )

        await apply(pool, preempted)

        row = await pool.fetchrow("select retry_count, preemption_count from jobs")
        assert row is not None
        assert tuple(row) == (0, 1)

    async def test_gives_the_model_address_back_when_a_job_ends_without_a_model(
        self, pool: asyncpg.Pool
    ) -> None:
        kept = await make_job(pool, Status.SUCCEEDED)
        await make_job(pool, Status.FAILED)
        await make_job(pool, Status.CANCELLED)

        owners = await pool.fetch("select job_id from model_reservations")

        assert [row["job_id"] for row in owners] == [kept]


class TestTable:
    def test_ends_nowhere_but_in_terminal_states(self) -> None:
        assert {Status.SUCCEEDED, Status.FAILED, Status.CANCELLED} == TERMINAL

    def test_has_one_rule_at_most_for_each_question(self) -> None:
        questions = [
            (rule.source, rule.trigger, cancelling)
            for rule in RULES
            for cancelling in (False, True)
            if rule.cancelling in (None, cancelling)
        ]
        assert len(questions) == len(set(questions))
