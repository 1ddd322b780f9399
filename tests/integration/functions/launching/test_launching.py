"""launch-job and status-sync as a broker calls them, with the cluster behind a real socket."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
import pytest_asyncio
import uvicorn

from common.settings import Storage
from functions.launch_job.app import create_app as create_launch_job
from functions.status_sync.app import create_app as create_status_sync
from tests import kubernetes
from tests.asgi import serving
from tests.jobs import make_job
from tests.kubernetes import NAMESPACE, Kubernetes, request_of, until


@pytest_asyncio.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Kubernetes]:
    async with kubernetes.run(tmp_path / "cluster") as started:
        yield started


@pytest_asyncio.fixture
async def kubeconfig(cluster: Kubernetes, tmp_path: Path) -> AsyncIterator[Path]:
    config = uvicorn.Config(cluster.server.app, port=0, log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    listening = asyncio.create_task(server.serve())

    async def started() -> bool:
        return server.started

    await until(started)
    port = server.servers[0].sockets[0].getsockname()[1]
    path = tmp_path / "kubeconfig"
    path.write_text(cluster.server.kubeconfig(f"http://127.0.0.1:{port}"))
    yield path
    server.should_exit = True
    await listening


@pytest.fixture
def settings(environ: dict[str, str], kubeconfig: Path, storage: Storage) -> dict[str, str]:
    return environ | {
        "KUBECONFIG": str(kubeconfig),
        "TRAINER_NAMESPACE": NAMESPACE,
        "S3_ENDPOINT_URL": storage.endpoint_url,
        "S3_BUCKET": storage.bucket,
        "TRAINING_JOB_STATUS_SYNC_INTERVAL": "0.1",
    }


async def deliver(client: httpx.AsyncClient, kind: str, subject: object = None) -> httpx.Response:
    headers = {
        "ce-specversion": "1.0",
        "ce-id": str(uuid4()),
        "ce-source": "test",
        "ce-type": kind,
        "content-type": "application/json",
    }
    if subject is not None:
        headers["ce-subject"] = str(subject)
    return await client.post("/", headers=headers, content=b"{}")


async def status_of(pool: asyncpg.Pool, job_id: UUID) -> str:
    return await pool.fetchval("select status from jobs where id = $1", job_id)


class TestLaunchJob:
    async def test_launches_the_job_that_an_event_names(
        self, pool: asyncpg.Pool, cluster: Kubernetes, settings: dict[str, str]
    ):
        job_id = await make_job(pool, request=request_of())
        async with serving(create_launch_job(settings)) as client:
            answer = await deliver(client, "dev.eventrain.job.submitted.v1", job_id)
            again = await deliver(client, "dev.eventrain.job.submitted.v1", job_id)
        assert [(a.status_code, a.content) for a in (answer, again)] == [(204, b"")] * 2
        assert await status_of(pool, job_id) == "queued"
        assert await cluster.names() == [f"train-{job_id}-1"]

    @pytest.mark.parametrize("subject", [None, "no-id"])
    async def test_refuses_an_event_about_no_job(self, settings: dict[str, str], subject: object):
        async with serving(create_launch_job(settings)) as client:
            answer = await deliver(client, "dev.eventrain.job.submitted.v1", subject)
        assert (answer.status_code, answer.content) == (400, b"")

    async def test_does_nothing_about_a_job_that_it_does_not_know(
        self, cluster: Kubernetes, settings: dict[str, str]
    ):
        async with serving(create_launch_job(settings)) as client:
            answer = await deliver(client, "dev.eventrain.job.submitted.v1", uuid4())
        assert answer.status_code == 204
        assert await cluster.names() == []

    async def test_has_the_event_again_without_the_database(self, settings: dict[str, str]):
        away = settings | {"DATABASE_URL": "postgresql://u@127.0.0.1:9/none"}
        async with serving(create_launch_job(away)) as client:
            answer = await deliver(client, "dev.eventrain.job.submitted.v1", uuid4())
            ready = await client.get("/readyz")
        assert (answer.status_code, ready.status_code) == (503, 503)

    async def test_is_done_with_an_event_whose_launch_must_wait(
        self, pool: asyncpg.Pool, cluster: Kubernetes, settings: dict[str, str]
    ):
        job_id = await make_job(pool, request=request_of())
        cluster.faults.add("quota", verb="create", resource="jobs")
        async with serving(create_launch_job(settings)) as client:
            answer = await deliver(client, "dev.eventrain.job.submitted.v1", job_id)
        assert answer.status_code == 204
        assert await status_of(pool, job_id) == "pending"


class TestStatusSync:
    async def test_ticks_when_the_clock_says_so(
        self, pool: asyncpg.Pool, cluster: Kubernetes, settings: dict[str, str]
    ):
        job_id = await make_job(pool, request=request_of())

        async with serving(create_status_sync(settings)) as client:

            async def runs() -> bool:
                answer = await deliver(client, "dev.knative.sources.ping")
                assert (answer.status_code, answer.content) == (204, b"")
                return await status_of(pool, job_id) == "running"

            await until(runs)
            shown = (await client.get("/tickz")).json()["data"]
        assert 0 <= shown["ageSeconds"] < 60
        assert shown["found"]["Ended"] == 0

    async def test_does_not_fail_without_the_cluster(
        self, pool: asyncpg.Pool, cluster: Kubernetes, settings: dict[str, str]
    ):
        cluster.faults.add("unavailable", times=None)
        async with serving(create_status_sync(settings)) as client:
            answer = await deliver(client, "dev.eventrain.sync.requested.v1")
            shown = (await client.get("/tickz")).json()["data"]
        assert answer.status_code == 204
        assert shown["ageSeconds"] is None
        assert "unreachable" in shown["found"]
