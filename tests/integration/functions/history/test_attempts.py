"""Metrics of a job that was tried several times: without gap, without overlap."""

import json
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
import pytest_asyncio

from common.jobs import beat, report
from common.jobs.beat import Beat
from common.jobs.report import RESUMED, Report
from common.jobs.state import Status, Trigger
from common.postgres import transaction
from common.sync import archive
from functions.history.app import create_app
from tests.catalogue import caller
from tests.jobs import NOW, apply, intent_of, make_job

JOBS = "/llm-ops/v1/training/jobs"
EXPERIMENTS = "/llm-ops/v1/training/experiments"
NAN = "NaN"
NEXT_DAY = NOW + timedelta(days=2)
DAY = timedelta(days=1)


@pytest_asyncio.fixture
async def client(environ: dict[str, str]) -> AsyncIterator[httpx.AsyncClient]:
    async with caller(create_app(environ)) as opened:
        yield opened


async def tell(
    pool: asyncpg.Pool, job_id: UUID, attempt: int, steps: Sequence[int], **changes: Any
) -> None:
    """A heartbeat for each step, whose value says which attempt told it."""
    rows: list[Beat] = []
    for sequence, step in enumerate(steps, 1):
        value = changes.get(f"at_{step}", attempt + step / 100)
        points = [{"name": "loss", "value": value, "step": step}]
        body: dict[str, Any] = {"sequence": sequence, "epoch": step, "points": points}
        rows.append(Beat(job_id, attempt, sequence, "", json.dumps(body)))
    async with pool.acquire() as connection:
        await beat.record(connection, rows, now=NOW)


async def try_again(pool: asyncpg.Pool, job_id: UUID, number: int, **resumed: Any) -> None:
    """The attempt before this one fails, and this one begins."""
    await apply(pool, intent_of(job_id, Trigger.FAILED_RETRYABLE, number - 1))
    await pool.execute(
        "update attempts set resumed_from = $3 where job_id = $1 and attempt = $2",
        *(job_id, number, {"attempt": None} | resumed),
    )
    for trigger in (Trigger.LAUNCHED, Trigger.ALIVE):
        await apply(pool, intent_of(job_id, trigger, number))


async def make_resumed(pool: asyncpg.Pool) -> UUID:
    """Three attempts: to epoch 5, from 3 to 4, and from 3 to 6."""
    job_id = await make_job(pool, Status.RUNNING)
    await tell(pool, job_id, 1, range(1, 6), at_5=NAN)
    await try_again(pool, job_id, 2, attempt=1, epoch=3)
    await tell(pool, job_id, 2, [4])
    await try_again(pool, job_id, 3, attempt=1, epoch=3)
    await tell(pool, job_id, 3, [4, 5, 6])
    return job_id


async def shown(client: httpx.AsyncClient, job_id: UUID, **params: Any) -> list[tuple[int, int]]:
    answer = await client.get(f"{JOBS}/{job_id}/points", params=params)
    assert answer.status_code == 200, answer.text
    assert answer.json()["data"]["nextCursor"] is None
    return [(point["attempt"], point["step"]) for point in answer.json()["data"]["points"]]


WHOLE = [(1, 1), (1, 2), (1, 3), (3, 4), (3, 5), (3, 6)]
EVERY = [(1, 1), (1, 2), (1, 3), (1, 4), (1, 5), (2, 4), (3, 4), (3, 5), (3, 6)]


class TestPoints:
    @pytest.mark.parametrize("resolution", [{}, {"resolution": 100}])
    @pytest.mark.parametrize("drawn", [False, True])
    async def test_go_on_without_gap_or_overlap(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool, drawn: bool, resolution: dict[str, int]
    ) -> None:
        job_id = await make_resumed(pool)
        if drawn:
            await apply(pool, intent_of(job_id, Trigger.SUCCEEDED, 3))
            while await archive.draw(pool, now=NEXT_DAY):
                pass
            while await archive.pack_due(pool, now=NEXT_DAY, before=NEXT_DAY - DAY):
                pass

        assert await shown(client, job_id, **resolution) == WHOLE
        assert await shown(client, job_id, attempt="all", **resolution) == EVERY
        assert await shown(client, job_id, attempt=2, **resolution) == [(2, 4)]
        recent = {"from": "2025-01-01T00:00:00Z"}
        assert await shown(client, job_id, **resolution, **recent) == WHOLE

    async def test_are_the_same_as_figures_of_the_experiment(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        job_id = await make_resumed(pool)

        answer = await client.get(f"{EXPERIMENTS}/{job_id}")

        values = [metric["value"] for metric in answer.json()["data"]["metrics"]]
        assert values == [attempt + step / 100 for attempt, step in WHOLE]

    async def test_of_an_attempt_that_began_anew_stand_alone(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        await tell(pool, job_id, 1, range(1, 4))
        await try_again(pool, job_id, 2)

        assert await shown(client, job_id) == []
        await tell(pool, job_id, 2, [1])

        assert await shown(client, job_id) == [(2, 1)]

    async def test_stay_until_the_next_attempt_has_begun(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        await tell(pool, job_id, 1, [1, 2])
        await apply(pool, intent_of(job_id, Trigger.FAILED_RETRYABLE))

        assert await shown(client, job_id) == [(1, 1), (1, 2)]

    @pytest.mark.parametrize("wrong", ["0", "some", "-1", "99999999999"])
    async def test_of_what_is_no_attempt_are_refused(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool, wrong: str
    ) -> None:
        job_id = await make_job(pool)
        answer = await client.get(f"{JOBS}/{job_id}/points", params={"attempt": wrong})
        assert answer.status_code == 422

    async def test_are_read_page_by_page_past_attempts_that_do_not_count(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        await tell(pool, job_id, 1, range(1, 1200))
        await try_again(pool, job_id, 2)
        await tell(pool, job_id, 2, range(1, 4))

        assert await shown(client, job_id) == [(2, 1), (2, 2), (2, 3)]


class TestTheTrainersWord:
    async def say(self, pool: asyncpg.Pool, job_id: UUID, attempt: int, **payload: Any) -> None:
        told = Report(job_id, attempt, str(payload), RESUMED, payload, NOW)
        async with transaction(pool) as connection:
            await report.keep(connection, told, now=NOW)

    async def test_that_it_began_anew_takes_away_what_was_before(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        job_id = await make_resumed(pool)
        await self.say(pool, job_id, 3, anew=True)
        assert await shown(client, job_id) == [(3, 4), (3, 5), (3, 6)]
        attempts = await client.get(f"{JOBS}/{job_id}/attempts")
        [_, second, third] = attempts.json()["data"]["attempts"]
        assert second["resumedFrom"] == {"attempt": 1, "step": None, "epoch": 3}
        assert third["resumedFrom"] is None

    async def test_that_a_series_begins_again_cuts_that_one_alone(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        job_id = await make_resumed(pool)
        await self.say(pool, job_id, 3, begins={"other": 1})
        assert await shown(client, job_id) == WHOLE
        await self.say(pool, job_id, 3, begins={"loss": 3})
        assert await shown(client, job_id) == [(1, 1), (1, 2), *WHOLE[3:]]

    @pytest.mark.parametrize("begins", [{"loss": "x"}, ["loss"], 3, None, {}])
    async def test_is_kept_and_changes_nothing_where_it_cannot_be_read(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool, begins: Any
    ) -> None:
        job_id = await make_resumed(pool)
        await self.say(pool, job_id, 3, begins=begins)
        assert await shown(client, job_id) == WHOLE

    async def test_counts_for_nothing_once_it_is_an_old_attempts(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        job_id = await make_resumed(pool)
        with pytest.raises(Exception, match="newer attempt"):
            await self.say(pool, job_id, 2, anew=True)
        assert await shown(client, job_id) == WHOLE
