"""`python -m tests.bench.tick`: what one tick of status-sync costs with many active jobs.

The function runs as in production, a process of its own, on a core of its own, woken by the
clock's event, before a real Postgres and S3 and an API server whose pages are as long as real
ones. Of 10,000 jobs 100 have changed since the last tick: 40 crashed, 30 started, 20 were
cancelled, 10 are new. Their containers are a shell that sleeps: in production no trainer starts on
the machine of the broker and the API server, as it does here. It is run over a tap that counts
statements, and again without it.
"""

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any
from uuid import UUID

import asyncpg

from tests.bench import report, world
from tests.bench.fleet import Fleet
from tests.bench.report import Bound
from tests.bench.stage import Bench, Figures, made
from tests.jobs import make_job
from tests.kubernetes import request_of
from tests.postgres_server import PostgresServer

FEW, MANY, ROUNDS = 1_000, 10_000, 3
CRASHED, STARTED, CANCELLED, NEW = 40, 30, 20, 10
CHANGED = CRASHED + STARTED + CANCELLED + NEW
SLEEPS = {"command": ["sh", "-c", "echo training; exec sleep 3600"]}
RESULTS = Path(__file__).with_name("results") / "tick.json"


async def measure(
    server: PostgresServer, jobs: int, folder: Path, *, rounds: int, tapped: bool, core: set[int]
) -> list[Figures]:
    """Rounds of a tick in which nothing has changed, one in which something has, and the two that
    keep what the crashed ones left and let their Jobs expire."""
    async with made(server, folder, tapped=tapped, core=core) as bench:
        origin = await make_job(bench.pool, request=request_of(resolved=SLEEPS))
        await bench.launch_origin(origin)
        fleet = Fleet(bench.pool, bench.cluster, origin)
        ids = await fleet.grow(jobs)
        starting = [ids[number :: 2 * rounds][:STARTED] for number in range(rounds)]
        for each in starting:
            await fleet.queue(each)
        await bench.pool.execute("vacuum analyze")
        for _ in range(2):
            await bench.tick()
        figures: list[Figures] = []
        for number in range(rounds):
            figures.append(await bench.tick(jobs, "nothing"))
            rest = ids[number + rounds :: 2 * rounds]
            await _change(bench, fleet, starting[number], rest)
            for found in (f"{CHANGED} changed", "left to keep", "left to expire"):
                figures.append(await bench.tick(jobs, found))
        await _check(bench.pool, jobs, rounds)
        return figures


async def _change(
    bench: Bench, fleet: Fleet, starting: Sequence[UUID], rest: Sequence[UUID]
) -> None:
    await fleet.start(starting)
    await fleet.crash(rest[:CRASHED])
    await fleet.cancel(rest[CRASHED : CRASHED + CANCELLED])
    for _ in range(NEW):
        await make_job(bench.pool, request=request_of(resolved=SLEEPS))


async def _check(pool: asyncpg.Pool, jobs: int, rounds: int) -> None:
    rows = await pool.fetch("select status, count(*) from jobs group by 1")
    found = dict(rows)
    assert found["failed"] == rounds * CRASHED, found
    assert sum(found.values()) == jobs + 1 + rounds * NEW, found
    kept = await pool.fetchval("select count(*) from attempts where log_uri is not null")
    assert kept == 0, "the pods of the fleet have no logs"


def main(arguments: Sequence[str]) -> int:
    """0 when neither statements nor requests grew with the jobs, pages apart, and both bounds were
    kept; a quick run has a tenth of the jobs and is not judged by them."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.tick", description=__doc__)
    parser.add_argument("--jobs", type=int, default=MANY)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--quick", action="store_true", help="one round of a tenth of the jobs")
    given = parser.parse_args(arguments)
    results = run(MANY // 10, 1) if given.quick else run(given.jobs, given.rounds)
    print("\n".join(lines(results)))
    report.write(RESULTS, results)
    told = [] if given.quick else bounds(results)
    return report.tell(told) or int(grown(results))


def run(many: int = MANY, rounds: int = ROUNDS) -> dict[str, list[dict[str, Any]]]:
    """Every tick's figures: one round over the tap with few and with many jobs, where statements
    are counted, and rounds without it, where time and memory are taken."""
    load_cores, core = world.cores()
    os.sched_setaffinity(0, load_cores)
    few = min(FEW, many // 10)
    plan = [
        (f"{few:,} jobs, counted", few, 1, True),
        (f"{many:,} jobs, counted", many, 1, True),
        (f"{few:,} jobs", few, rounds, False),
        (f"{many:,} jobs", many, rounds, False),
    ]
    with tempfile.TemporaryDirectory(prefix="eventrain-bench-") as name:
        folder = Path(name)
        (folder / "postgres").mkdir()
        server = PostgresServer(folder / "postgres")
        server.start()
        results: dict[str, list[dict[str, Any]]] = {}
        try:
            for number, (title, jobs, times, tapped) in enumerate(plan):
                (folder / str(number) / "s3").mkdir(parents=True)
                figures = asyncio.run(
                    measure(
                        server, jobs, folder / str(number), rounds=times, tapped=tapped, core=core
                    )
                )
                results[title] = [asdict(each) for each in figures]
        finally:
            server.stop()
    return results


def lines(results: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    """A line for each kind of tick, medians of its rounds."""
    told: list[str] = []
    for title, ticks in results.items():
        for found in dict.fromkeys(tick["found"] for tick in ticks):
            same = [tick for tick in ticks if tick["found"] == found]
            told.append(f"{title:24}{found:16}" + _line(same, counted="counted" in title))
    return told


def bounds(results: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[Bound]:
    """Of the last plan, which has the most jobs and no tap."""
    title, ticks = list(results.items())[-1]
    found = f"{CHANGED} changed"
    seconds = [tick["seconds"] for tick in ticks if tick["found"] == found]
    peak = max(tick["peak_mb"] for tick in ticks)
    note = f"single ticks {', '.join(map(str, seconds))} s"
    return [
        Bound(f"tick, {title}, {found}", median(seconds), "s", 2, note=note),
        Bound(f"tick, {title}, most memory", peak, "MB", 150),
    ]


def _line(ticks: Sequence[Mapping[str, Any]], *, counted: bool) -> str:
    def middle(name: str) -> float:
        return median(tick[name] for tick in ticks)

    if counted:
        return (
            f"{middle('pages'):.0f} pages of {middle('page_mb')} MB, "
            f"{middle('requests'):.0f} other API requests, "
            f"{middle('statements'):.0f} SQL statements"
        )
    return (
        f"{middle('seconds')} s, {middle('cpu_seconds')} s of CPU, "
        f"{max(tick['peak_mb'] for tick in ticks)} MB at most, {middle('idle_mb')} MB after"
    )


def grown(results: Mapping[str, Sequence[Mapping[str, Any]]]) -> bool:
    """Whether a tick with many jobs asked for more than the same with few."""
    few, many = (
        [(tick["statements"], tick["requests"]) for tick in ticks]
        for title, ticks in results.items()
        if "counted" in title
    )
    return few != many


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
