"""`python -m tests.bench.lists`: pages of a list with 20,000 jobs, by each filter of the contract.

The function runs as in production, a process on a core of its own; Postgres and the caller share
the others. The caller is a member of all eight projects, asks for the default page, and asks for
the next thing only when it was answered: it is the page that is measured, not a queue before it.
"""

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from common import postgres
from common.settings import Database as DatabaseSettings
from tests import many_jobs
from tests.bench import report, world
from tests.bench.report import Bound
from tests.bench.usage import Usage
from tests.catalogue import bearer
from tests.integration.functions.conftest import environ_of
from tests.kubernetes import request_of
from tests.postgres_server import PostgresServer
from tests.processes import Served, started_function

ROUNDS, QUICK_ROUNDS, WARM_UP = 200, 30, 10
JOBS = "/llm-ops/v1/training/jobs"
RESULTS = Path(__file__).with_name("results") / "lists.json"
Asked = Mapping[str, Mapping[str, str]]


def rows(*, quick: bool) -> list[Bound]:
    """The slowest filter's p95, and the largest page."""
    found = measure(QUICK_ROUNDS if quick else ROUNDS)
    report.write(RESULTS, found)
    slowest = max(found, key=lambda each: found[each]["p95_ms"])
    largest = max(found, key=lambda each: found[each]["kb"])
    note = "\n      ".join(
        f"{name:22} p50 {each['p50_ms']:6.1f} ms  p95 {each['p95_ms']:6.1f} ms  {each['kb']:5.1f} kB"
        f"  {each['cpu_ms']:5.1f} ms of CPU"
        for name, each in found.items()
    )
    return [
        Bound(f"list page, p95 of the slowest ({slowest})", found[slowest]["p95_ms"], "ms", 50),
        Bound(f"list page, the largest ({largest})", found[largest]["kb"], "kB", 100, note=note),
    ]


def measure(rounds: int) -> dict[str, dict[str, float]]:
    """The figures of each thing that is asked."""
    others, core = world.cores()
    os.sched_setaffinity(0, others)
    with tempfile.TemporaryDirectory(prefix="eventrain-bench-") as folder:
        server = PostgresServer(Path(folder))
        server.start()
        try:
            url = server.create().url
            asked = asyncio.run(_fill(url))
            with started_function("jobs", environ_of(url) | {"LOG_LEVEL": "warning"}) as served:
                os.sched_setaffinity(served.process.pid, core)
                return _ask(served, asked, rounds)
        finally:
            server.stop()


async def _fill(url: str) -> Asked:
    pool = await postgres.open_pool(DatabaseSettings(url=url))
    await many_jobs.fill(pool, request=request_of("print(1)"))
    asked = await many_jobs.asked(pool)
    await postgres.close_pool(pool)
    return asked


def _ask(served: Served, asked: Asked, rounds: int) -> dict[str, dict[str, float]]:
    taken: dict[str, list[Any]] = defaultdict(list)
    usage = Usage(served.process.pid)
    address = served.address + JOBS
    with httpx.Client(headers=bearer(many_jobs.MEMBER), timeout=30) as client:
        for number in range(WARM_UP + rounds):
            for name, query in asked.items():
                spent, began = usage.seconds(), time.perf_counter()
                answer = client.get(address, params=query)
                seconds = time.perf_counter() - began
                assert answer.status_code == 200, answer.text
                if number >= WARM_UP:
                    spent = usage.seconds() - spent
                    taken[name].append((seconds * 1e3, spent * 1e3, len(answer.content) / 1e3))
    return {name: _figures(each) for name, each in taken.items()}


def _figures(taken: Sequence[tuple[float, float, float]]) -> dict[str, float]:
    seconds, spent, size = zip(*taken, strict=True)
    return {
        "p50_ms": round(statistics.median(seconds), 2),
        "p95_ms": round(statistics.quantiles(seconds, n=20)[18], 2),
        "cpu_ms": round(statistics.fmean(spent), 2),
        "kb": round(max(size), 1),
    }


def main(arguments: Sequence[str]) -> int:
    """0 when both bounds were kept."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.lists", description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_ROUNDS} pages of each")
    return report.tell(rows(quick=parser.parse_args(arguments).quick))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
