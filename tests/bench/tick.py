"""`python -m tests.bench.tick`: what one tick of status-sync costs with many active jobs.

The function runs as in production, a process of its own before a real Postgres and S3 and the
local API server. Of 10,000 jobs 100 have changed since the last tick: 40 crashed, 30 started, 20
were cancelled, 10 are new. It is run over a tap that counts statements, and again without it.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
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
from tests import kubernetes, s3_server
from tests.bench import report
from tests.bench.fleet import Fleet
from tests.bench.usage import Usage
from tests.chaos.tap import Tap
from tests.integration.functions.conftest import environ_of
from tests.jobs import make_job
from tests.kubernetes import NAMESPACE, Kubernetes, request_of, until
from tests.postgres_server import PostgresServer
from tests.processes import Served, started_function

FEW, MANY = 1_000, 10_000
CRASHED, STARTED, CANCELLED, NEW = 40, 30, 20, 10
CHANGED = CRASHED + STARTED + CANCELLED + NEW
SCRIPT = "import time; print('training', flush=True); time.sleep(3600)"
RESULTS = Path(__file__).with_name("results") / "tick.json"
TICK = {
    "ce-specversion": "1.0",
    "ce-source": "bench",
    "ce-type": "dev.eventrain.sync.requested.v1",
    "content-type": "application/json",
}


@dataclass(frozen=True)
class Figures:
    """Of one tick. `pages` are listings, `requests` all other calls of the API."""

    jobs: int
    changed: int
    pages: int
    requests: int
    statements: int
    seconds: float
    cpu_seconds: float
    peak_mb: float


class Bench:
    """One function, and all that is around it."""

    def __init__(self, pool: asyncpg.Pool, cluster: Kubernetes, served: Served, tap: Tap) -> None:
        self.pool = pool
        self.cluster = cluster
        self._served = served
        self._tap = tap

    async def tick(self, jobs: int, changed: int) -> Figures:
        self.cluster.faults.seen.clear()
        self._tap.statements.clear()
        usage, began = Usage(self._served.process.pid), time.monotonic()
        async with httpx.AsyncClient(timeout=300) as client:
            headers = {**TICK, "ce-id": str(uuid4())}
            answer = await client.post(self._served.address, headers=headers, content=b"{}")
        seconds = time.monotonic() - began
        assert answer.status_code == 204, answer.text
        asked = Counter(seen.act.verb for seen in self.cluster.faults.seen)
        return Figures(
            jobs,
            changed,
            pages=asked["list"],
            requests=sum(asked.values()) - asked["list"],
            statements=sum(self._tap.statements.values()),
            seconds=round(seconds, 2),
            cpu_seconds=round(usage.seconds(), 2),
            peak_mb=round(peak_memory(self._served.process.pid) / 1e6, 1),
        )

    async def settle(self) -> None:
        """A tick that is not measured, a moment after the last."""
        await asyncio.sleep(0.2)
        await self.tick(0, 0)

    async def launch_origin(self, job_id: UUID) -> None:
        async def runs() -> bool:
            await self.settle()
            status = await self.pool.fetchval("select status from jobs where id = $1", job_id)
            return status == "running"

        await until(runs, 30)
        await self.pool.execute("update job_events set published_at = now()")


def peak_memory(pid: int) -> int:
    """The most that the process ever held, in bytes."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    (line,) = (line for line in lines if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


async def measure(
    server: PostgresServer, jobs: int, folder: Path, *, tapped: bool
) -> list[Figures]:
    """A tick in which nothing has changed, and one in which something has."""
    async with made(server, folder, tapped=tapped) as bench:
        origin = await make_job(bench.pool, request=request_of(SCRIPT))
        await bench.launch_origin(origin)
        fleet = Fleet(bench.pool, bench.cluster, origin)
        ids = await fleet.grow(jobs)
        starting = ids[:STARTED]
        await fleet.queue(starting)
        await bench.pool.execute("vacuum analyze")
        for _ in range(2):
            await bench.settle()
        idle = await bench.tick(jobs, 0)
        await fleet.start(starting)
        await fleet.crash(ids[STARTED : STARTED + CRASHED])
        await fleet.cancel(ids[-CANCELLED:])
        for _ in range(NEW):
            await make_job(bench.pool, request=request_of(SCRIPT))
        busy = await bench.tick(jobs, CHANGED)
        rows = await bench.pool.fetch("select status, count(*) from jobs group by 1")
        running = jobs + 1 - CRASHED
        assert dict(rows) == {"queued": NEW, "running": running, "failed": CRASHED}, rows
        return [idle, busy]


@asynccontextmanager
async def made(server: PostgresServer, folder: Path, *, tapped: bool) -> AsyncGenerator[Bench]:
    database = server.create()
    async with AsyncExitStack() as parts:
        parts.callback(server.drop, database)
        storage = parts.enter_context(s3_server.serve(folder / "s3"))
        cluster = await parts.enter_async_context(kubernetes.run(folder / "cluster"))
        tap = await _tap(parts, database.url)
        settings = environ_of(_through(database.url, tap) if tapped else database.url)
        kubeconfig = folder / "kubeconfig"
        kubeconfig.write_text(cluster.server.kubeconfig(await _serve(parts, cluster.server.app)))
        settings |= _of_storage(storage) | {
            "BROKER_URL": await _serve(parts, Response(status_code=202)),
            "KUBECONFIG": str(kubeconfig),
            "LOG_LEVEL": "error",
            "TRAINER_NAMESPACE": NAMESPACE,
            "TRAINING_JOB_STATUS_SYNC_INTERVAL": "0.1",
        }
        running = started_function("status_sync", settings)
        served = await asyncio.to_thread(running.__enter__)
        parts.push_async_callback(asyncio.to_thread, running.__exit__, None, None, None)
        pool = await postgres.open_pool(DatabaseSettings(url=database.url))
        parts.push_async_callback(postgres.close_pool, pool)
        yield Bench(pool, cluster, served, tap)


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


def main(arguments: Sequence[str]) -> int:
    """0 when neither statements nor requests grew with the jobs, pages apart."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.tick", description=__doc__)
    parser.add_argument("--jobs", type=int, default=MANY)
    many = parser.parse_args(arguments).jobs
    few = min(FEW, many // 10)
    with tempfile.TemporaryDirectory(prefix="eventrain-bench-") as name:
        folder = Path(name)
        for part in ("postgres", *map(str, (few, many)), "timed"):
            (folder / part / "s3").mkdir(parents=True)
        server = PostgresServer(folder / "postgres")
        server.start()
        try:
            counted = {
                jobs: asyncio.run(measure(server, jobs, folder / str(jobs), tapped=True))
                for jobs in (few, many)
            }
            timed = asyncio.run(measure(server, many, folder / "timed", tapped=False))
        finally:
            server.stop()
    show(counted, timed, many)
    report.write(
        RESULTS,
        {
            "counted": [asdict(each) for ticks in counted.values() for each in ticks],
            "timed": [asdict(each) for each in timed],
        },
    )
    grown = [
        (before.statements, before.requests) != (after.statements, after.requests)
        for before, after in zip(counted[few], counted[many], strict=True)
    ]
    return int(any(grown))


def show(counted: dict[int, list[Figures]], timed: Sequence[Figures], many: int) -> None:
    print(report.machine())
    for jobs, ticks in counted.items():
        for each in ticks:
            print(
                f"{jobs:>6} jobs, {each.changed:>3} changed: {each.pages} pages of {PAGE}, "
                f"{each.requests} other API requests, {each.statements} SQL statements"
            )
    for each in timed:
        print(
            f"{many:>6} jobs, {each.changed:>3} changed: {each.seconds} s, "
            f"{each.cpu_seconds} s of CPU, {each.peak_mb} MB at most"
        )


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
