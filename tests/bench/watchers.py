"""`python -m tests.bench.watchers`: how soon those who watch know what was committed.

A thousand watchers, each of one of a hundred jobs, whose state changes once a second. A delay begins
before the commit is sent, and ends when the watcher has read the message.
"""

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from common import postgres
from common.jobs import transition
from common.jobs.state import Trigger
from common.postgres import transaction
from common.settings import Database as DatabaseSettings
from tests.bench import contender, report, world
from tests.bench.contender import Contender
from tests.bench.report import Bound
from tests.bench.usage import Usage
from tests.catalogue import bearer
from tests.integration.functions.conftest import environ_of
from tests.jobs import intent_of, make_job
from tests.postgres_server import PostgresServer

RESULTS = Path(__file__).with_name("results") / "watchers.json"
JOBS, WATCHERS = 100, 1000
ROUND = (Trigger.LAUNCHED, Trigger.ALIVE, Trigger.FAILED_RETRYABLE)
P95_MS = 200.0
PATIENCE = 30.0


class Change(msgspec.Struct):
    """As much of a line of the timeline as is counted."""

    sequence: int


@dataclass
class Story:
    """What was committed of a job and when, and when its watchers heard of it."""

    job_id: UUID
    sequence: int = 1
    attempt: int = 1
    committed: dict[int, float] = field(default_factory=dict[int, float])
    heard: list[tuple[int, float]] = field(default_factory=list[tuple[int, float]])

    async def move(self, pool: asyncpg.Pool) -> None:
        """One state change."""
        trigger = ROUND[(self.sequence - 1) % len(ROUND)]
        intent = intent_of(self.job_id, trigger, self.attempt)
        async with transaction(pool) as connection:
            await transition.apply(connection, [intent], now=datetime.now(UTC))
            self.committed[self.sequence + 1] = time.perf_counter()
        self.sequence += 1
        self.attempt += trigger is Trigger.FAILED_RETRYABLE

    def delays(self) -> list[float]:
        """In milliseconds, one for each watcher and change."""
        return [(at - self.committed[s]) * 1e3 for s, at in self.heard if s in self.committed]


def measure(seconds: float, url: str, core: set[int]) -> Mapping[str, Any]:
    """The figures of one run on this database."""
    own = {"FUNCTION_TARGET": "live", "BIND_ADDRESS": "127.0.0.1"}
    with contender.serving(
        Contender("live", "common.serve", environ_of(url) | own), url, core
    ) as on:
        return asyncio.run(_run(seconds, url, on.port, Usage(on.pid)))


async def _run(seconds: float, url: str, port: int, usage: Usage) -> Mapping[str, Any]:
    pool = await postgres.open_pool(DatabaseSettings(url=url, pool_size=4))
    stories = [Story(await make_job(pool, max_retries=10**6)) for _ in range(JOBS)]
    watching = [await _watch(port, stories[number % JOBS]) for number in range(WATCHERS)]
    before = usage.seconds()
    began = time.perf_counter()
    await asyncio.gather(*(_live(pool, story, n, seconds) for n, story in enumerate(stories)))
    took = time.perf_counter() - began
    expected = sum(len(story.committed) for story in stories) * WATCHERS // JOBS
    await _until_heard(stories, expected)
    spent, memory = usage.seconds() - before, usage.memory()
    for task in watching:
        task.cancel()
    await asyncio.gather(*watching, return_exceptions=True)
    await postgres.close_pool(pool)
    delays = sorted(delay for story in stories for delay in story.delays())
    return {
        "changes_per_s": sum(len(story.committed) for story in stories) / took,
        "told": len(delays),
        "expected": expected,
        "p50_ms": statistics.median(delays),
        "p95_ms": delays[int(len(delays) * 0.95)],
        "p99_ms": delays[int(len(delays) * 0.99)],
        "cpu_share": spent / took,
        "memory_mb": memory / 1e6,
    }


async def _live(pool: asyncpg.Pool, story: Story, number: int, seconds: float) -> None:
    """Once a second, the jobs one after the other."""
    start = asyncio.get_running_loop().time() + number / JOBS
    for second in range(int(seconds)):
        await asyncio.sleep(start + second - asyncio.get_running_loop().time())
        await story.move(pool)


async def _watch(port: int, story: Story) -> asyncio.Task[None]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    path = f"/llm-ops/v1/training/jobs/{story.job_id}/live"
    headers = "".join(f"{name}: {value}\r\n" for name, value in bearer().items())
    writer.write(f"GET {path} HTTP/1.1\r\nhost: live\r\n{headers}\r\n".encode())
    status = await reader.readline()
    if b" 200 " not in status:
        raise RuntimeError(f"answered {status!r}")
    while b"event: change" not in await reader.readline():
        pass
    return asyncio.create_task(_listen(reader, writer, story))


async def _listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, story: Story) -> None:
    try:
        while line := await reader.readline():
            if line == b"event: change\n":
                data = await reader.readline()
                at = time.perf_counter()
                told = msgspec.json.decode(data.removeprefix(b"data: "), type=Change)
                story.heard.append((told.sequence, at))
    finally:
        writer.transport.abort()


async def _until_heard(stories: Sequence[Story], expected: int) -> None:
    deadline = time.perf_counter() + PATIENCE
    while sum(len(story.delays()) for story in stories) < expected:
        if time.perf_counter() > deadline:
            return
        await asyncio.sleep(0.1)


def bounds(figures: Mapping[str, Any]) -> list[Bound]:
    """The rows of the report."""
    note = (
        f"{WATCHERS} watchers of {JOBS} jobs, {figures['changes_per_s']:.0f} changes a second; "
        f"p50 {figures['p50_ms']:.0f} ms, p99 {figures['p99_ms']:.0f} ms; "
        f"{figures['cpu_share']:.0%} of a core, {figures['memory_mb']:.0f} MB"
    )
    lost = figures["expected"] - figures["told"]
    return [
        Bound("from commit to watcher, p95", figures["p95_ms"], "ms", P95_MS, note=note),
        Bound("changes that a watcher was not told, or twice", abs(lost), "", 0),
    ]


def main(arguments: Sequence[str]) -> int:
    """0 when the bound was kept."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.watchers", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="ten seconds instead of a minute")
    seconds = 10 if parser.parse_args(arguments).quick else 60
    load_cores, core = world.cores()
    os.sched_setaffinity(0, load_cores)
    with tempfile.TemporaryDirectory(prefix="eventrain-bench-") as folder:
        server = PostgresServer(Path(folder))
        server.start()
        try:
            figures = measure(seconds, server.create().url, core)
        finally:
            server.stop()
    report.write(RESULTS, figures)
    return report.tell(bounds(figures))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
