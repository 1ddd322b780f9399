"""status-sync on a core of its own, and all that is around it, on the others."""

import asyncio
import os
import time
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import asyncpg
import httpx
import uvicorn
from starlette.responses import Response

from common import postgres
from common.launch.cluster import PAGE
from common.settings import Database as DatabaseSettings
from common.settings import Storage
from common.sync import lease
from common.sync.tick import LEASE
from tests import kubernetes, s3_server
from tests.bench.pages import Pages
from tests.bench.usage import Usage
from tests.chaos.tap import Tap
from tests.integration.functions.conftest import environ_of
from tests.kubernetes import NAMESPACE, Kubernetes, until
from tests.postgres_server import PostgresServer
from tests.processes import Served, started_function

TICK = {
    "ce-specversion": "1.0",
    "ce-source": "bench",
    "ce-type": "dev.eventrain.sync.requested.v1",
    "content-type": "application/json",
}


@dataclass(frozen=True)
class Figures:
    """Of one tick. `pages` are listings, `requests` all other calls of the API; `peak_mb` is the
    most that the process ever held, `idle_mb` its proportional share right after the tick."""

    jobs: int
    found: str
    pages: int
    page_mb: float
    requests: int
    statements: int
    seconds: float
    cpu_seconds: float
    peak_mb: float
    idle_mb: float


class Bench:
    """One function, and all that is around it."""

    def __init__(
        self, pool: asyncpg.Pool, cluster: Kubernetes, pages: Pages, served: Served, tap: Tap
    ) -> None:
        self.pool = pool
        self.cluster = cluster
        self._pages = pages
        self._served = served
        self._tap = tap

    async def tick(self, jobs: int = 0, found: str = "") -> Figures:
        # A lease is not given twice within its spacing.
        await asyncio.sleep(0.2)
        self._pages.make()
        self.cluster.faults.seen.clear()
        self._tap.statements.clear()
        pid = self._served.process.pid
        usage, began = Usage(pid), time.monotonic()
        async with httpx.AsyncClient(timeout=300) as client:
            headers = {**TICK, "ce-id": str(uuid4())}
            answer = await client.post(self._served.address, headers=headers, content=b"{}")
        seconds = time.monotonic() - began
        assert answer.status_code == 204, answer.text
        told = await lease.read_age(self.pool, LEASE)
        assert "unreachable" not in told.detail, told.detail
        asked = Counter(seen.act.verb for seen in self.cluster.faults.seen)
        assert not asked["list"], "a listing was not among those that were made before"
        return Figures(
            jobs,
            found,
            pages=self._pages.sent,
            page_mb=round(self._pages.bytes_sent / max(self._pages.sent, 1) / 1e6, 2),
            requests=sum(asked.values()),
            statements=sum(self._tap.statements.values()),
            seconds=round(seconds, 2),
            cpu_seconds=round(usage.seconds(), 2),
            peak_mb=round(_memory(pid, "status", "VmHWM"), 1),
            idle_mb=round(_memory(pid, "smaps_rollup", "Pss"), 1),
        )

    async def launch_origin(self, job_id: UUID) -> None:
        async def runs() -> bool:
            await self.tick()
            status = await self.pool.fetchval("select status from jobs where id = $1", job_id)
            return status == "running"

        await until(runs, 30)
        await self.pool.execute("update job_events set published_at = now()")


def _memory(pid: int, file: str, name: str) -> float:
    """In MB, as the kernel counts it."""
    lines = Path(f"/proc/{pid}/{file}").read_text(encoding="utf-8").splitlines()
    (line,) = (line for line in lines if line.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024 / 1e6


@asynccontextmanager
async def made(
    server: PostgresServer, folder: Path, *, tapped: bool, core: set[int]
) -> AsyncGenerator[Bench]:
    database = server.create()
    async with AsyncExitStack() as parts:
        parts.callback(server.drop, database)
        storage = parts.enter_context(s3_server.serve(folder / "s3"))
        cluster = await parts.enter_async_context(kubernetes.run(folder / "cluster"))
        pages = Pages(cluster.server, NAMESPACE, PAGE)
        tap = await _tap(parts, database.url)
        settings = environ_of(_through(database.url, tap) if tapped else database.url)
        kubeconfig = folder / "kubeconfig"
        kubeconfig.write_text(cluster.server.kubeconfig(await _serve(parts, pages)))
        settings |= _of_storage(storage) | {
            "BROKER_URL": await _serve(parts, Response(status_code=202)),
            "KUBECONFIG": str(kubeconfig),
            "LOG_LEVEL": "error",
            "STALL_AFTER_SECONDS": "86400",
            "TRAINER_NAMESPACE": NAMESPACE,
            "TRAINING_JOB_STATUS_SYNC_INTERVAL": "0.1",
        }
        running = started_function("status_sync", settings)
        served = await asyncio.to_thread(running.__enter__)
        parts.push_async_callback(asyncio.to_thread, running.__exit__, None, None, None)
        os.sched_setaffinity(served.process.pid, core)
        pool = await postgres.open_pool(DatabaseSettings(url=database.url))
        parts.push_async_callback(postgres.close_pool, pool)
        yield Bench(pool, cluster, pages, served, tap)


async def _tap(parts: AsyncExitStack, url: str) -> Tap:
    address = urlsplit(url)
    tap = Tap(address.hostname or "", address.port or 0)
    await tap.start()
    parts.push_async_callback(tap.stop)
    return tap


def _through(url: str, tap: Tap) -> str:
    address = urlsplit(url)
    user = f"{address.username}:{address.password}"
    return address._replace(netloc=f"{user}@127.0.0.1:{tap.port}").geturl()


def _of_storage(storage: Storage) -> dict[str, str]:
    return {"S3_ENDPOINT_URL": storage.endpoint_url, "S3_BUCKET": storage.bucket}


async def _serve(parts: AsyncExitStack, app: Any) -> str:
    config = uvicorn.Config(app, port=0, log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    listening = asyncio.create_task(server.serve())
    parts.push_async_callback(_stop, server, listening)

    async def started() -> bool:
        return server.started

    await until(started)
    return f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"


async def _stop(server: uvicorn.Server, listening: asyncio.Task[None]) -> None:
    server.should_exit = True
    await listening
