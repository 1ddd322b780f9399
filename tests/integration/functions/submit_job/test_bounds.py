"""Fifty submissions at once, through two instances: no bound is passed by one."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
import pytest_asyncio

from common.access import project
from common.access.quota import Quota
from common.postgres import transaction
from functions.submit_job.app import create_app
from tests.catalogue import bearer, caller
from tests.jobs import PROJECT
from tests.keys import now_utc
from tests.processes import running_function

JOBS = "/llm-ops/v1/training/jobs"
AT_ONCE = 50
ON_CPU: dict[str, Any] = {
    "jobType": "from_scratch",
    "useGpu": False,
    "resourceProfile": {"cpuCores": 1, "memory": "1Gi", "maxDuration": 10},
    "hyperparameters": {"architecture": "mlp"},
}
ON_GPU = ON_CPU | {
    "useGpu": True,
    "resourceProfile": {"gpuCount": 2, "gpuType": "nvidia-t4", "maxDuration": 60},
}


@pytest.fixture
def limits() -> dict[str, str]:
    return {}


@pytest.fixture
def settings(environ: dict[str, str], limits: dict[str, str]) -> dict[str, str]:
    return environ | {"RATE_LIMITS": json.dumps(limits)}


@pytest_asyncio.fixture
async def client(settings: dict[str, str]) -> AsyncIterator[httpx.AsyncClient]:
    """One instance, here."""
    async with caller(create_app(settings)) as opened:
        yield opened


@pytest_asyncio.fixture
async def instances(settings: dict[str, str]) -> AsyncIterator[list[httpx.AsyncClient]]:
    """Two processes of submit-job on one database."""
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(
                httpx.AsyncClient(base_url=address, headers=bearer(), timeout=60)
            )
            for address in (
                stack.enter_context(running_function("submit_job", settings)) for _ in range(2)
            )
        ]


async def bound(pool: asyncpg.Pool, quota: Quota) -> None:
    async with transaction(pool) as connection:
        await project.lock(connection, PROJECT, by="ada", now=now_utc())
        await project.change(connection, PROJECT, "bounded", quota)


async def submit_all(
    instances: list[httpx.AsyncClient], request: Mapping[str, Any]
) -> list[httpx.Response]:
    """Every second one to the other instance, all at once."""
    return await asyncio.gather(
        *(
            instances[number % 2].post(JOBS, json=request, headers={"idempotency-key": uuid4().hex})
            for number in range(AT_ONCE)
        )
    )


def refused_fields(answers: list[httpx.Response]) -> set[str]:
    bodies = [each.json()["data"] for each in answers if each.status_code == 422]
    assert {body["code"] for body in bodies} == {"OVER_QUOTA"}
    return {error["field"] for body in bodies for error in body["errors"]}


async def count_jobs(pool: asyncpg.Pool) -> int:
    return await pool.fetchval("select count(*) from jobs")


class TestAQuota:
    async def test_of_live_jobs_is_filled_and_never_passed(
        self, instances: list[httpx.AsyncClient], pool: asyncpg.Pool
    ) -> None:
        await bound(pool, Quota(live_jobs=7))
        answers = await submit_all(instances, ON_CPU)
        assert Counter(each.status_code for each in answers) == {200: 7, 422: 43}
        assert refused_fields(answers) == {"projectId"}
        assert await count_jobs(pool) == 7

    async def test_of_gpus_counts_what_live_jobs_hold(
        self, instances: list[httpx.AsyncClient], pool: asyncpg.Pool
    ) -> None:
        await bound(pool, Quota(gpus=9))
        answers = await submit_all(instances, ON_GPU)
        assert Counter(each.status_code for each in answers) == {200: 4, 422: 46}
        assert refused_fields(answers) == {"resourceProfile.gpuCount"}

    async def test_of_gpu_hours_holds_all_that_live_jobs_may_run(
        self, instances: list[httpx.AsyncClient], pool: asyncpg.Pool
    ) -> None:
        await bound(pool, Quota(gpu_hours=7.5))
        answers = await submit_all(instances, ON_GPU)
        assert Counter(each.status_code for each in answers) == {200: 3, 422: 47}
        assert refused_fields(answers) == {"resourceProfile.maxDuration"}


class TestOneInstance:
    async def test_submits_again_once_a_job_has_ended(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        await bound(pool, Quota(live_jobs=1, gpu_hours=3))
        assert (await client.post(JOBS, json=ON_GPU)).status_code == 200
        assert (await client.post(JOBS, json=ON_GPU)).status_code == 422
        await pool.execute("update jobs set status = 'failed', ran_seconds = 60")
        assert (await client.post(JOBS, json=ON_GPU)).status_code == 200

    async def test_refuses_no_repeat_of_what_was_accepted(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        await bound(pool, Quota(live_jobs=1))
        key = {"idempotency-key": "once"}
        first, again = [await client.post(JOBS, json=ON_CPU, headers=key) for _ in range(2)]
        assert again.json()["data"]["id"] == first.json()["data"]["id"]


@pytest.mark.parametrize("limits", [{f"POST {JOBS}": "20/600", "GET": "1/600"}])
class TestARateLimit:
    async def test_is_shared_by_the_instances_and_never_passed(
        self, instances: list[httpx.AsyncClient], pool: asyncpg.Pool
    ) -> None:
        answers = await submit_all(instances, ON_CPU)
        assert Counter(each.status_code for each in answers) == {200: 20, 429: 30}
        waits = [int(each.headers["retry-after"]) for each in answers if each.status_code == 429]
        assert all(0 < wait <= 600 for wait in waits)
        assert await count_jobs(pool) == 20

    async def test_is_each_callers_own(self, client: httpx.AsyncClient) -> None:
        answers = [await client.post(JOBS, json=ON_CPU) for _ in range(21)]
        assert answers[-1].status_code == 429
        other = await client.post(JOBS, json=ON_CPU, headers=bearer(subject="grace"))
        assert other.status_code == 200
