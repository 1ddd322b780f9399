"""`python -m tests.bench.points`: what a long history costs those who read, and those who write.

A job of a million points is opened in 500 points a metric: as its heartbeats came, once they are
drawn, once they are packed. Then heartbeats are recorded beside a year of other jobs (scaled down:
2,000 of 200 heartbeats each), packed as they are now, and row by row as they were.
"""

import argparse
import asyncio
import json
import math
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any
from uuid import UUID

import asyncpg
import httpx

from common import postgres
from common.jobs import beat
from common.jobs.beat import Beat
from common.jobs.state import Status, Trigger
from common.settings import Database
from common.sync import archive
from tests.catalogue import bearer
from tests.integration.functions.conftest import environ_of
from tests.jobs import PROJECT, apply, intent_of, make_job
from tests.postgres_server import PostgresServer
from tests.processes import running_function

JOBS = "/llm-ops/v1/training/jobs"
RESULTS = Path(__file__).with_name("results") / "points.json"
POINTS_A_BEAT, SERIES = 500, 5
DAY = timedelta(days=1)
LIVE, GROUP, ROUNDS = 200, 64, 5


def _body(n: int) -> dict[str, Any]:
    first = n * POINTS_A_BEAT // SERIES
    points = [
        {"name": f"metric-{k % SERIES}", "value": math.sin(first + k), "step": first + k // SERIES}
        for k in range(POINTS_A_BEAT)
    ]
    return {"sequence": n, "step": first, "points": points}


async def make_long_job(pool: asyncpg.Pool, points: int, now: datetime) -> UUID:
    job_id = await make_job(pool, Status.RUNNING)
    beats = points // POINTS_A_BEAT
    for first in range(0, beats, 100):
        numbers = range(first, min(first + 100, beats))
        await pool.execute(
            "insert into heartbeats select $1, 1, n, $2, body::jsonb"
            " from unnest($3::bigint[], $4::text[]) as told (n, body)",
            job_id,
            now,
            list(numbers),
            [json.dumps(_body(n)) for n in numbers],
        )
    await pool.execute("update beats set sequence = $1, body = $2", beats, _body(beats))
    await apply(pool, intent_of(job_id, Trigger.SUCCEEDED), now)
    return job_id


async def opened(
    client: httpx.AsyncClient, job_id: UUID, rounds: int = ROUNDS, **params: Any
) -> dict[str, float]:
    """The median of some tries."""
    seconds: list[float] = []
    size = shown = 0
    for _ in range(rounds):
        began = time.perf_counter()
        answer = await client.get(f"{JOBS}/{job_id}/points", params=params)
        seconds.append(time.perf_counter() - began)
        size, shown = len(answer.content), len(answer.json()["data"]["points"])
    return {"ms": round(median(seconds) * 1000, 1), "kB": round(size / 1000, 1), "points": shown}


async def timed(deed: Callable[[], Awaitable[Any]]) -> dict[str, float]:
    began, used = time.perf_counter(), time.process_time()
    steps = 0
    while await deed():
        steps += 1
    seconds, cpu = time.perf_counter() - began, time.process_time() - used
    return {"steps": steps, "seconds": round(seconds, 2), "cpu_seconds": round(cpu, 2)}


async def table_mb(pool: asyncpg.Pool, *tables: str) -> float:
    sizes = [await pool.fetchval("select pg_total_relation_size($1::regclass)", t) for t in tables]
    return round(sum(sizes) / 1e6, 1)


async def read_a_million(url: str, points: int) -> dict[str, Any]:
    now = datetime.now(UTC)
    pool = await postgres.open_pool(Database(url=url, pool_size=4))
    job_id = await make_long_job(pool, points, now - 2 * DAY)
    figures: dict[str, Any] = {"raw MB": await table_mb(pool, "heartbeats")}
    with running_function("history", environ_of(url)) as address:
        headers = bearer({PROJECT: "viewer"})
        async with httpx.AsyncClient(base_url=address, headers=headers, timeout=600) as client:
            figures["rows"] = await opened(client, job_id, rounds=1, resolution=500)
            figures["first page of all, rows"] = await opened(client, job_id)
            figures["drawing"] = await timed(lambda: archive.draw(pool, now=now))
            figures["drawn"] = await opened(client, job_id, resolution=500)
            figures["packing"] = await timed(
                lambda: archive.pack_due(pool, now=now, before=now - DAY)
            )
            await pool.execute("vacuum full heartbeats", timeout=600)
            figures["packed"] = await opened(client, job_id, resolution=500)
            figures["first page of all, packed"] = await opened(client, job_id)
    figures["packed MB"] = await table_mb(pool, "packs", "heartbeats")
    figures["outlines MB"] = await table_mb(pool, "outlines", "courses")
    await postgres.close_pool(pool)
    return figures


COPIES = """
insert into {table}
select (jsonb_populate_record({table}, jsonb_build_object('{key}', copy.id))).*
from {table}, copies as copy
where {table}.{key} = $1
"""


async def grow(pool: asyncpg.Pool, jobs: int, beats: int, now: datetime) -> None:
    """Jobs that ended long ago, each with so many heartbeats."""
    origin = await make_job(pool, Status.RUNNING)
    await apply(pool, intent_of(origin, Trigger.SUCCEEDED), now)
    await pool.execute(
        "create table copies as select gen_random_uuid() as id from generate_series(1, $1::int)".replace(
            "$1::int", str(jobs)
        )
    )
    for table, key in (("jobs", "id"), ("attempts", "job_id"), ("beats", "job_id")):
        await pool.execute(COPIES.format(table=table, key=key), origin)
    await pool.execute(
        "insert into heartbeats select id, 1, n, $1::timestamptz + n * interval '10 seconds',"
        " jsonb_build_object('sequence', n, 'step', n, 'metrics',"
        " jsonb_build_object('a', sin(n), 'b', cos(n), 'c', random(), 'd', n, 'e', 1.0 / n))"
        " from copies, generate_series(1, $2::int) as n",
        now,
        beats,
        timeout=600,
    )
    await pool.execute("vacuum analyze", timeout=600)


async def write_beside(pool: asyncpg.Pool, jobs: list[UUID], seconds: float, first: int) -> float:
    """Heartbeats a second, in groups, one after the other."""
    number, sequence, began = 0, first, time.perf_counter()
    body = json.dumps({"step": 1, "metrics": {"a": 1.5, "b": 2.5, "c": 3.5, "d": 4.5, "e": 5.5}})
    async with pool.acquire() as connection:
        while time.perf_counter() - began < seconds:
            sequence += 1
            for start in range(0, LIVE, GROUP):
                group = [Beat(j, 1, sequence, "1/1", body) for j in jobs[start : start + GROUP]]
                await beat.record(connection, group, now=datetime.now(UTC))
                number += len(group)
    return number / (time.perf_counter() - began)


async def write(server: PostgresServer, jobs: int, beats: int, seconds: float) -> dict[str, Any]:
    """Alternated rounds over three databases."""
    now = datetime.now(UTC)
    databases = {name: server.create() for name in ("alone", "year packed", "year in rows")}
    pools = {
        name: await postgres.open_pool(Database(url=made.url, pool_size=2))
        for name, made in databases.items()
    }
    figures: dict[str, Any] = {}
    live: dict[str, list[UUID]] = {}
    for name, pool in pools.items():
        if name != "alone":
            await grow(pool, jobs, beats, now - 200 * DAY)
        if name == "year packed":
            figures["drawing the year"] = await timed(lambda: archive.draw(pool, now=now))  # noqa: B023
            figures["packing the year"] = await timed(
                lambda: archive.pack_due(pool, now=now, before=now - DAY)  # noqa: B023
            )
            await pool.execute("vacuum full analyze", timeout=600)
        live[name] = [await make_job(pool, Status.RUNNING) for _ in range(LIVE)]
    rates: dict[str, list[float]] = {name: [] for name in pools}
    for number in range(ROUNDS):
        for name, pool in pools.items():
            rates[name].append(await write_beside(pool, live[name], seconds, number * 1_000_000))
    for name, pool in pools.items():
        began = time.perf_counter()
        await archive.draw(pool, now=now - DAY * 365)
        figures[name] = {
            "heartbeats/s": round(median(rates[name])),
            "look for what is due, ms": round((time.perf_counter() - began) * 1000, 1),
            "MB": await table_mb(pool, "heartbeats", "packs", "outlines", "courses"),
        }
        await postgres.close_pool(pool)
    return figures


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("--points", type=int, default=1_000_000)
    asked.add_argument("--jobs", type=int, default=2_000)
    asked.add_argument("--beats", type=int, default=200)
    asked.add_argument("--seconds", type=float, default=4)
    asked.add_argument("--quick", action="store_true", help="a tenth of the points and jobs")
    options = asked.parse_args()
    if options.quick:
        options.points, options.jobs, options.seconds = 100_000, 200, 1.0
    with tempfile.TemporaryDirectory(prefix="eventrain-bench-") as folder:
        Path(folder).chmod(0o755)
        server = PostgresServer(Path(folder))
        server.start()
        try:
            made = server.create()
            figures = {
                "read": asyncio.run(read_a_million(made.url, options.points)),
                "write": asyncio.run(write(server, options.jobs, options.beats, options.seconds)),
            }
        finally:
            server.stop()
    text = json.dumps(figures, indent=2)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
