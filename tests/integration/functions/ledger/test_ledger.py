"""Where the hours of jobs went, on journeys that cross every way of losing them."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest
import pytest_asyncio

from common.access.quota import read_usage
from common.jobs.ledger import GroupBy, Span, read_ledger
from common.jobs.state import Trigger
from functions.ledger.app import create_app
from tests.catalogue import OTHER_PROJECT, bearer, caller
from tests.integration.functions.ledger.journey import HOUR, Journey, on_cpu, on_gpu
from tests.jobs import NOW, PROJECT

LEDGER = "/llm-ops/v1/ledger"
KINDS = ("useful", "lost", "stalled", "queued")
MIDNIGHT = "T00:00:00Z"
JANUARY = {"from": f"2026-01-01{MIDNIGHT}", "to": f"2026-02-01{MIDNIGHT}"}


@pytest_asyncio.fixture
async def client(environ: dict[str, str]) -> AsyncIterator[httpx.AsyncClient]:
    async with caller(create_app(environ)) as opened:
        yield opened


async def asked(client: httpx.AsyncClient, **query: Any) -> list[dict[str, Any]]:
    answer = await client.get(LEDGER, params={**JANUARY, **query})
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]["ledger"]


async def one(client: httpx.AsyncClient, of: str = "gpuHours") -> list[float]:
    """Useful, lost, stalled and queued hours of the only job."""
    (entry,) = await asked(client, groupBy="job")
    return [entry[of][kind] for kind in KINDS]


class TestHours:
    async def test_of_a_job_that_just_succeeds_are_useful_and_queued(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        job = await Journey.begin(pool, on_gpu(2))
        await job.goes(Trigger.LAUNCHED, 0.5)
        await job.goes(Trigger.ALIVE, 0.5)
        await job.goes(Trigger.SUCCEEDED, 3)
        assert await one(client) == [6, 0, 0, 2]
        assert await one(client, "cpuHours") == [0, 0, 0, 0]

    async def test_of_a_retry_are_lost_since_the_checkpoint_that_it_goes_on_from(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        job = await Journey.begin(pool, on_gpu(1))
        await job.goes(Trigger.ALIVE, 1)
        await job.saves(2)
        await job.goes(Trigger.FAILED_RETRYABLE, 3)
        await job.goes(Trigger.ALIVE, 1)
        await job.goes(Trigger.FAILED_RETRYABLE, 4)
        await job.goes(Trigger.ALIVE, 1)
        await job.goes(Trigger.SUCCEEDED, 5)
        assert await one(client) == [2 + 5, 3 + 4, 0, 3]

    async def test_of_what_stood_still_are_stalled_once_and_in_no_other_kind(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        job = await Journey.begin(pool, on_gpu(1))
        await job.goes(Trigger.ALIVE, 0)
        await job.goes(Trigger.STALLED, 1)
        await job.goes_on(2)
        await job.saves(1)
        await job.goes(Trigger.STALLED, 1)
        await job.goes(Trigger.FAILED, 4)
        assert await one(client) == [2, 1, 6, 0]

    async def test_of_a_cancelled_job_are_kept_up_to_what_it_saved(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        job = await Journey.begin(pool, on_gpu(1))
        await job.goes(Trigger.ALIVE, 1)
        await job.goes(Trigger.CANCEL_ASKED, 2)
        await job.saves(1)
        await job.goes(Trigger.GONE, 1)
        assert await one(client) == [3, 1, 0, 1]

    async def test_of_a_job_that_never_ran_are_queued(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        job = await Journey.begin(pool, on_gpu(4))
        await job.goes(Trigger.CANCEL_ASKED, 2)
        assert await one(client) == [0, 0, 0, 8]

    async def test_are_never_negative_where_a_pods_clock_is_behind(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        job = await Journey.begin(pool, on_gpu(1))
        await job.goes(Trigger.ALIVE, 1)
        await job.goes(Trigger.FAILED_RETRYABLE, 3)
        await job.goes(Trigger.ALIVE, -2)
        await job.goes(Trigger.STALLED, 1)
        await job.goes(Trigger.SUCCEEDED, -4)
        assert await one(client) == [0, 3, 0, 0]
        assert (await read_usage(pool, PROJECT, now=NOW)).gpu_hours == 3

    async def test_without_a_gpu_are_those_of_its_cores(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        job = await Journey.begin(pool, on_cpu(2.5))
        await job.goes(Trigger.ALIVE, 1)
        await job.goes(Trigger.SUCCEEDED, 2)
        assert await one(client, "cpuHours") == [5, 0, 0, 2.5]
        assert await one(client) == [0, 0, 0, 0]

    async def test_survive_the_checkpoints_and_the_timeline(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        job = await Journey.begin(pool, on_gpu(1))
        await job.goes(Trigger.ALIVE, 0)
        await job.saves(2)
        await job.goes(Trigger.STALLED, 1)
        await job.goes(Trigger.FAILED, 1)
        before = await one(client)
        await job.is_swept()
        assert await one(client) == before == [2, 1, 1, 0]

    async def test_of_one_that_runs_count_until_now(self, pool: asyncpg.Pool) -> None:
        job = await Journey.begin(pool, on_gpu(1))
        await job.goes(Trigger.ALIVE, 1)
        await job.goes(Trigger.STALLED, 2)
        (row,) = await read(pool, "job", now=job.now + HOUR)
        assert [row[f"gpu_{kind}"] for kind in KINDS] == [2, 0, 1, 1]


class TestGroups:
    @pytest.mark.parametrize(
        ("group_by", "keys"),
        [
            ("user", ["ada", "bob"]),
            ("project", [str(PROJECT)]),
            ("gpuType", ["cpu", "nvidia-t4"]),
            ("day", ["2026-01-01", "2026-01-02"]),
            ("month", ["2026-01"]),
        ],
    )
    async def test_are_by_key_and_lose_nothing(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool, group_by: str, keys: list[str]
    ) -> None:
        await some_jobs(pool)
        found = await asked(client, groupBy=group_by)
        assert [entry["key"] for entry in found] == keys
        assert sum(entry["jobs"] for entry in found) == 3
        assert sum(entry["gpuHours"]["useful"] for entry in found) == 2
        assert sum(entry["cpuHours"]["useful"] for entry in found) == 1
        assert sum(entry["cost"]["total"] for entry in found) == pytest.approx(0.74)

    @pytest.mark.parametrize("group_by", ["job", "user", "day", "gpuType"])
    async def test_come_in_pages_that_follow_each_other(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool, group_by: str
    ) -> None:
        await some_jobs(pool)
        whole = await asked(client, groupBy=group_by)
        paged: list[dict[str, Any]] = []
        query: dict[str, Any] = {**JANUARY, "groupBy": group_by, "limit": 1}
        while True:
            page = (await client.get(LEDGER, params=query)).json()["data"]
            paged += page["ledger"]
            if page["nextCursor"] is None:
                break
            query["cursor"] = page["nextCursor"]
        assert paged == whole
        assert len(paged) > 1

    async def test_hold_only_jobs_that_were_submitted_within_the_span(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        await some_jobs(pool)
        found = await asked(client, groupBy="day", to=f"2026-01-02{MIDNIGHT}")
        assert [entry["key"] for entry in found] == ["2026-01-01"]

    async def test_say_which_hours_have_no_price(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        job = await Journey.begin(pool, on_gpu(2, "unheard-of"))
        await job.goes(Trigger.ALIVE, 1)
        await job.goes(Trigger.SUCCEEDED, 3)
        (entry,) = await asked(client)
        assert (entry["cost"]["total"], entry["unpricedHours"]) == (0, 6)


class TestWhoSees:
    async def test_a_project_is_seen_by_its_own_and_by_who_administers_the_installation(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        await some_jobs(pool)
        await Journey.begin(pool, on_gpu(1), project_id=OTHER_PROJECT)
        assert [entry["key"] for entry in await asked(client)] == [str(PROJECT)]
        client.headers.update(bearer({}, administers=True))
        seen = await asked(client)
        assert [entry["key"] for entry in seen] == [str(PROJECT), str(OTHER_PROJECT)]
        client.headers.update(bearer({OTHER_PROJECT: "viewer"}))
        assert [entry["key"] for entry in await asked(client)] == [str(OTHER_PROJECT)]
        answer = await client.get(LEDGER, params={"projectId": str(PROJECT)})
        assert answer.status_code == 404

    @pytest.mark.parametrize(
        "query",
        [
            {"from": f"2026-01-02{MIDNIGHT}", "to": f"2026-01-01{MIDNIGHT}"},
            {"from": f"2024-01-01{MIDNIGHT}", "to": f"2026-01-01{MIDNIGHT}"},
            {"cursor": "nonsense"},
            {"groupBy": "mood"},
        ],
    )
    async def test_what_cannot_be_asked_is_refused_by_field(
        self, client: httpx.AsyncClient, query: dict[str, str]
    ) -> None:
        answer = await client.get(LEDGER, params=query)
        assert answer.status_code == 422, answer.text
        assert answer.json()["data"]["errors"]


async def test_agrees_with_what_counts_for_a_quota(pool: asyncpg.Pool) -> None:
    await some_jobs(pool)
    job = await Journey.begin(pool, on_gpu(3))
    await job.goes(Trigger.ALIVE, 0.25)
    await job.saves(0.125)
    await job.goes(Trigger.FAILED_RETRYABLE, 1)
    await job.goes(Trigger.ALIVE, 1)
    await job.goes(Trigger.STALLED, 1)
    await job.goes(Trigger.FAILED, 1)
    used = await read_usage(pool, PROJECT, now=NOW)
    (row,) = await read(pool, "project", now=NOW + HOUR * 1000)
    ran = sum(row[f"gpu_{kind}"] for kind in ("useful", "lost", "stalled"))
    assert ran == pytest.approx(used.gpu_hours)
    assert ran == pytest.approx(2 + 3 * 3.125)


async def some_jobs(pool: asyncpg.Pool) -> None:
    """Three that succeeded after an hour of running, on two days, by two people."""
    for submitter, request, day in (
        ("ada", on_gpu(1), 0),
        ("bob", on_gpu(1), 0),
        ("ada", on_cpu(1), 1),
    ):
        job = await Journey.begin(
            pool, request, submitted_by=submitter, at=NOW + timedelta(days=day)
        )
        await job.goes(Trigger.ALIVE, 0)
        await job.goes(Trigger.SUCCEEDED, 1)


async def read(pool: asyncpg.Pool, group_by: GroupBy, *, now: datetime) -> list[Any]:
    span = Span(NOW - timedelta(days=1), NOW + timedelta(days=40))
    page = await read_ledger(
        pool, [PROJECT], span, group_by, prices={}, limit=100, after=None, now=now
    )
    return list(page.rows)
