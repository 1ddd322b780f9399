"""`python -m tests.bench.submit`: 100 submissions a second for a minute, to the last Job's creation.

Open loop: a submission is sent when it is due, whether or not those before it were answered, and
its time begins when it was due. They go straight to submit-job, as a Knative route would bring
them: the laptop's gateway shares its one process with a broker and a cluster, which production has
not. launch-job and status-sync run beside it, before real Postgres and S3, a broker, and the local
API server, whose containers end at once and tell nothing. status-sync ticks as often as in
production. Calls are counted, by a limit that lets twice this rate pass.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import asyncpg
import httpx

from common import postgres
from common.settings import Database as DatabaseSettings
from tests import s3_server
from tests.bench import report
from tests.bench.report import Bound
from tests.bench.stage import TICK
from tests.catalogue import bearer
from tests.integration.functions.conftest import environ_of
from tests.kubernetes import NAMESPACE
from tests.postgres_server import CLONE, PostgresServer
from tests.processes import Served, free_port, started_function

RATE, SECONDS, QUICK_SECONDS = 100, 60, 10
PATIENCE = 60
TICK_EVERY = 30.0
LIMITS = f'{{"POST": "{2 * 60 * RATE}/60"}}'
PATH = "/llm-ops/v1/training/jobs"
BODY = {
    "jobType": "from_scratch",
    "useGpu": False,
    "resourceProfile": {"cpuCores": 1, "memory": "64Mi", "maxDuration": 10},
    "hyperparameters": {"architecture": "mlp"},
    "autoRegisterOutputModel": False,
}
ENDS_AT_ONCE = "command: ['true']"
CREATED = "select count(*) from attempts where attempt = 1 and launched_at is not null"
RESULTS = Path(__file__).with_name("results") / "submit.json"


@dataclass(frozen=True)
class Stage:
    """Everything that a submission meets, and the API server's address with its token."""

    submit: Served
    sync: Served
    pool: asyncpg.Pool
    kubernetes: str


def rows(*, quick: bool) -> list[Bound]:
    """The answers' p95, and how long after the last the last Job was there."""
    found = asyncio.run(measure(QUICK_SECONDS if quick else SECONDS))
    report.write(RESULTS, found)
    note = ", ".join(f"{name} {value:g}" for name, value in found.items())
    return [
        Bound(f"submit at {RATE}/s, p95", found["p95_ms"], "ms", 250, note=note),
        Bound("submissions not answered 200", found["refused"], "", 0),
        Bound("jobs without exactly one Job", found["not_once"], "", 0),
        Bound("the last Job, after the last submission", found["created_after_s"], "s", PATIENCE),
    ]


async def measure(seconds: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="eventrain-bench-") as folder:
        async with staged(Path(folder)) as stage:
            ticking = asyncio.create_task(_tick(stage))
            taken, refused = await offer(stage.submit.address + PATH, RATE * seconds)
            last = time.monotonic()
            created = await _until(stage, CREATED, len(taken) - refused, last)
            ticking.cancel()
            launched = await _launches(stage)
            jobs = await stage.pool.fetchval("select count(*) from jobs")
    return {
        "offered": RATE * seconds,
        "refused": refused,
        "p50_ms": round(statistics.median(taken), 1),
        "p95_ms": round(statistics.quantiles(taken, n=20)[18], 1),
        "p99_ms": round(statistics.quantiles(taken, n=100)[98], 1),
        "rows": jobs,
        "not_once": jobs - sum(1 for times in launched.values() if times == 1),
        "created_after_s": round(created, 1),
    }


async def offer(address: str, count: int) -> tuple[list[float], int]:
    """Milliseconds of each answer from when its request was due, and how many were refused."""
    headers = {**bearer(), "content-type": "application/json"}
    body = json.dumps(BODY).encode()
    connector = aiohttp.TCPConnector(limit=400)
    async with aiohttp.ClientSession(headers=headers, connector=connector) as client:

        async def one(due: float) -> tuple[float, bool]:
            async with client.post(address, data=body) as answer:
                await answer.read()
                return (time.monotonic() - due) * 1e3, answer.status == 200

        began, sent = time.monotonic(), list[asyncio.Task[tuple[float, bool]]]()
        for number in range(count):
            due = began + number / RATE
            await asyncio.sleep(max(0, due - time.monotonic()))
            sent.append(asyncio.create_task(one(due)))
        answers = await asyncio.gather(*sent)
    return [taken for taken, _ in answers], sum(not accepted for _, accepted in answers)


async def _tick(stage: Stage) -> None:
    async with httpx.AsyncClient(timeout=120) as client:
        while True:
            headers = {**TICK, "ce-id": str(uuid4())}
            with suppress(httpx.HTTPError):
                await client.post(stage.sync.address, headers=headers, content=b"{}")
            await asyncio.sleep(TICK_EVERY)


async def _until(stage: Stage, counted: str, count: int, last: float) -> float:
    """Seconds after the last submission until so many are counted."""
    while await stage.pool.fetchval(counted) < count:
        if time.monotonic() - last > 3 * PATIENCE:
            return float("inf")
        await asyncio.sleep(0.5)
    return time.monotonic() - last


async def _launches(stage: Stage) -> Counter[str]:
    """How many Jobs the API server has for each job of ours."""
    async with httpx.AsyncClient(headers={"authorization": "Bearer test-token"}) as client:
        path = f"{stage.kubernetes}/apis/batch/v1/namespaces/{NAMESPACE}/jobs"
        answer = await client.get(path, timeout=120)
    return Counter(item["metadata"]["labels"]["job-id"] for item in answer.json()["items"])


@asynccontextmanager
async def staged(folder: Path) -> AsyncGenerator[Stage]:
    """All parts as processes of their own."""
    server = PostgresServer(_made(folder / "postgres"))
    async with AsyncExitStack() as parts:
        await asyncio.to_thread(server.start)
        parts.push_async_callback(asyncio.to_thread, server.stop)
        url = (await asyncio.to_thread(server.create)).url
        storage = parts.enter_context(s3_server.serve(_made(folder / "s3")))
        port, broker, launch = free_port(), free_port(), free_port()
        await _start_site(parts, folder / "cluster", port, broker, launch)
        environ = environ_of(url) | {
            "BROKER_URL": f"http://127.0.0.1:{broker}/",
            "CONFIG_DIR": str(_config(_made(folder / "config"))),
            "DATABASE_POOL_SIZE": "8",
            "KUBECONFIG": str(folder / "cluster" / "kubeconfig"),
            "LOG_LEVEL": "error",
            "RATE_LIMITS": LIMITS,
            "S3_BUCKET": storage.bucket,
            "S3_ENDPOINT_URL": storage.endpoint_url,
            "TRAINER_NAMESPACE": NAMESPACE,
            "TRAINING_JOB_STATUS_SYNC_INTERVAL": "20",
        }
        served = [
            await _enter(parts, started_function(name, environ, port=at))
            for name, at in (("submit_job", None), ("launch_job", launch), ("status_sync", None))
        ]
        pool = await postgres.open_pool(DatabaseSettings(url=url))
        parts.push_async_callback(postgres.close_pool, pool)
        yield Stage(served[0], served[2], pool, f"http://127.0.0.1:{port}")


async def _start_site(
    parts: AsyncExitStack, folder: Path, port: int, broker: int, launch: int
) -> None:
    arguments = (str(folder), str(port), str(broker), f"http://127.0.0.1:{launch}/")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.site", *arguments, cwd=CLONE
    )
    parts.push_async_callback(process.wait)
    parts.callback(process.terminate)
    deadline = time.monotonic() + 60
    while not (folder / "kubeconfig").exists():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


async def _enter(parts: AsyncExitStack, running: Any) -> Served:
    served: Served = await asyncio.to_thread(running.__enter__)
    parts.push_async_callback(asyncio.to_thread, running.__exit__, None, None, None)
    parts.callback(served.process.kill)
    return served


def _config(folder: Path) -> Path:
    """As it is shipped, but that a trainer is `true`."""
    for file in (CLONE / "infra/base/config").iterdir():
        text = file.read_text(encoding="utf-8")
        command = "command: [python, -m, eventrain_trainer, run]"
        (folder / file.name).write_text(text.replace(command, ENDS_AT_ONCE), encoding="utf-8")
    return folder


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def main(arguments: Sequence[str]) -> int:
    """0 when every bound was kept."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.submit", description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_SECONDS} seconds")
    return report.tell(rows(quick=parser.parse_args(arguments).quick))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
