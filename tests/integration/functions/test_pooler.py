"""Rule 27: every kind of call goes through a pooler that hands out connections by transaction."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
import pytest_asyncio

from common import postgres
from common.jobs import work
from common.settings import Database as DatabaseSettings
from common.sync.lease import hold
from functions.done.app import create_app as create_done
from functions.event.app import create_app as create_event
from functions.heartbeat.app import create_app as create_heartbeat
from functions.history.app import create_app as create_history
from functions.jobs.app import create_app as create_jobs
from functions.models.app import create_app as create_models
from functions.submit_job.app import create_app as create_submit
from tests import pooler
from tests.asgi import serving
from tests.catalogue import bearer
from tests.keys import job_token_for
from tests.postgres_server import Database

pytestmark = pytest.mark.skipif(
    pooler.PROGRAM is None, reason="there is no pgbouncer here (Debian: apt-get install pgbouncer)"
)
JOBS = "/llm-ops/v1/training/jobs"
CREATES = {
    "submit-job": create_submit,
    "jobs": create_jobs,
    "history": create_history,
    "models": create_models,
    "heartbeat": create_heartbeat,
    "event": create_event,
    "done": create_done,
}
REQUEST: dict[str, Any] = {
    "jobType": "from_scratch",
    "useGpu": False,
    "resourceProfile": {"cpuCores": 1, "memory": "1Gi", "maxDuration": 10},
    "hyperparameters": {"architecture": "mlp"},
    "outputModelName": "digits",
}
EPOCH = {"type": "epoch_end", "payload": {"epoch": 1}, "occurredAt": "2026-01-01T12:00:00Z"}
AT_ONCE = 8

Clients = dict[str, httpx.AsyncClient]


@pytest.fixture
def pooled(database: Database) -> Iterator[str]:
    with pooler.pooling(database.url) as url:
        yield url


@pytest_asyncio.fixture
async def clients(environ: dict[str, str], pooled: str) -> AsyncIterator[Clients]:
    behind = {"DATABASE_URL": pooled, "DATABASE_POOLED_BY_TRANSACTION": "true"}
    async with AsyncExitStack() as stack:
        yield {
            name: await stack.enter_async_context(serving(create(environ | behind)))
            for name, create in CREATES.items()
        }


class TestBehindAPooler:
    async def test_every_function_is_ready(self, clients: Clients) -> None:
        answers = [await client.get("/readyz") for client in clients.values()]

        assert [answer.status_code for answer in answers] == [200] * len(CREATES)

    async def test_jobs_go_from_submit_to_done(self, clients: Clients, pool: asyncpg.Pool) -> None:
        ids = await asyncio.gather(*(_run(clients) for _ in range(AT_ONCE)))

        rows = await pool.fetch("select id, status, sequence from jobs")
        assert {row["id"] for row in rows} == set(ids)
        assert {(row["status"], row["sequence"]) for row in rows} == {("succeeded", 4)}
        assert await pool.fetchval("select count(*) from heartbeats") == 3 * AT_ONCE
        versions = await pool.fetch("select version from model_reservations")
        assert {row["version"] for row in versions} == {str(n + 1) for n in range(AT_ONCE)}

    async def test_the_catalog_writes_and_reads(self, clients: Clients) -> None:
        client = clients["models"]
        path = "/llm-ops/v1/catalog/models"
        made = [client.post(path, json={"name": f"m{n}"}, headers=bearer()) for n in range(AT_ONCE)]
        answers = await asyncio.gather(*made)
        listed = await client.get(path, headers=bearer())

        assert {answer.status_code for answer in answers} == {200}
        assert len(listed.json()["data"]) == AT_ONCE

    async def test_a_tick_holds_its_lease_and_claims_work(
        self, clients: Clients, pooled: str
    ) -> None:
        await _call(clients["submit-job"], JOBS, REQUEST, bearer())
        settings = DatabaseSettings(url=pooled, pooled_by_transaction=True)
        behind = await postgres.open_pool(settings)
        now, spacing = datetime.now(UTC), timedelta(seconds=30)
        async with hold(behind, "tick", spacing=spacing, now=lambda: now) as held:
            async with hold(behind, "tick", spacing=spacing, now=lambda: now) as other:
                assert held is not None
                assert other is None
            async with behind.acquire() as connection:
                claimed = await work.claim(connection, "launch", now=now)
        await postgres.close_pool(behind)

        assert len(claimed) == 1


async def _run(clients: Clients) -> UUID:
    job = await _call(clients["submit-job"], JOBS, REQUEST, bearer())
    job_id = UUID(job["id"])
    path, token = f"/v1/jobs/{job_id}", job_token_for(job_id, 1, datetime.now(UTC))
    headers = {"authorization": f"Bearer {token}"}
    beats = [{"sequence": n, "metrics": {"loss": 1.0}} for n in range(3)]
    await asyncio.gather(
        *(_call(clients["heartbeat"], f"{path}/heartbeat", beat, headers) for beat in beats),
        _call(clients["event"], f"{path}/event", EPOCH, headers),
    )
    ended = await _call(clients["done"], f"{path}/done", {"outcome": "succeeded"}, headers)
    assert ended["status"] == "succeeded"
    for name, address in (("jobs", f"{JOBS}/{job_id}"), ("history", f"{JOBS}/{job_id}/timeline")):
        shown = await clients[name].get(address, headers=bearer())
        assert shown.status_code == 200, shown.text
    return job_id


async def _call(
    client: httpx.AsyncClient, path: str, body: Any, headers: dict[str, str]
) -> dict[str, Any]:
    answer = await client.post(path, json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]
