"""`python -m tests.bench.steady`: 4,000 heartbeats a second, while Postgres is killed once.

They come whether or not they are answered, for a minute; after a third of it Postgres gets kill -9
and is started again. What was acknowledged must be stored, nothing twice, and whatever could not be
taken must have been answered 503.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import asyncpg

from tests.bench import contender, report, world
from tests.bench.contender import OURS
from tests.bench.report import Bound
from tests.bench.usage import Usage, peak_memory
from tests.bench.world import World
from tests.postgres_server import CLONE

RATE, SECONDS, QUICK_SECONDS = 4000, 60, 9
CONNECTIONS = 12_000
RESULTS = Path(__file__).with_name("results") / "steady.json"
RETURN = 60.0


def rows(*, quick: bool, rate: float = RATE) -> list[Bound]:
    """What was kept of what was promised."""
    seconds = QUICK_SECONDS if quick else SECONDS
    load_cores, core = world.cores()
    with (
        contender.pinned(load_cores),
        tempfile.TemporaryDirectory(prefix="eventrain-bench-") as folder,
        world.make(Path(folder) / "postgres") as made,
    ):
        figures = measure(made, Path(folder), core, rate, seconds)
    report.write(RESULTS, figures)
    statuses: dict[str, int] = figures["statuses"]
    others = {status: n for status, n in statuses.items() if status not in ("200", "503")}
    note = (
        f"offered {sum(statuses.values()):,}: 200 {statuses.get('200', 0):,}, "
        f"503 {statuses.get('503', 0):,}, other {others or 0}; stored {figures['stored']:,}; "
        f"p50 {figures['p50_ms']:.1f} ms, p99 {figures['p99_ms']:.0f} ms, max "
        f"{figures['max_ms']:.0f} ms; {figures['server_cpu_us']:.0f} us of CPU each; "
        f"{figures['longest_pause_s']:.1f} s without a 200"
    )
    return [
        Bound("acknowledged and not stored", figures["lost"], "", 0, note=note),
        Bound("stored twice", figures["twice"], "", 0),
        Bound("answered neither 200 nor 503", sum(others.values()), "", 0),
        Bound("function's memory at its peak", figures["peak_mb"], "MB", 200),
    ]


def measure(
    made: World, folder: Path, core: set[int], rate: float, seconds: float
) -> dict[str, Any]:
    acknowledged = folder / "acknowledged"
    with made.database() as url, contender.serving(OURS, url, core) as served:
        plan = {
            "host": "127.0.0.1",
            "port": served.port,
            "targets": made.heartbeats(),
            "rate": rate,
            "seconds": seconds,
            "connections": CONNECTIONS,
            "acknowledged": str(acknowledged),
        }
        usage = Usage(served.pid)
        figures = _offer(plan, made, seconds / 3)
        sent = sum(figures["statuses"].values())
        figures["server_cpu_us"] = usage.seconds() / sent * 1e6
        figures["peak_mb"] = peak_memory(served.pid) / 1e6
        return figures | _compare(asyncio.run(_stored(url)), acknowledged, made)


def _offer(plan: dict[str, Any], made: World, kill_after: float) -> dict[str, Any]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.stream"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=CLONE,
    )
    try:
        assert process.stdin is not None
        process.stdin.write(json.dumps(plan))
        process.stdin.close()
        process.stdin = None
        time.sleep(kill_after)
        made.kill_postgres()
        said, _ = process.communicate(timeout=plan["seconds"] * 3 + 60)
    finally:
        process.kill()
        process.wait()
    if process.returncode:
        raise RuntimeError(f"the load generator ended with {process.returncode}")
    return json.loads(said)


async def _stored(url: str) -> list[asyncpg.Record]:
    deadline = time.monotonic() + RETURN
    while True:
        try:
            connection = await asyncpg.connect(url)
            break
        except (OSError, asyncpg.PostgresError):
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.1)
    try:
        return await connection.fetch("select job_id, attempt, sequence from heartbeats")
    finally:
        await connection.close()


def _compare(stored: Sequence[asyncpg.Record], acknowledged: Path, made: World) -> dict[str, Any]:
    kept = {tuple(row) for row in stored}
    told = {
        (made.jobs[int(index)], world.ATTEMPT, int(sequence))
        for index, sequence in map(str.split, acknowledged.read_text().splitlines())
    }
    return {
        "stored": len(stored),
        "acknowledged": len(told),
        "lost": len(told - kept),
        "twice": len(stored) - len(kept),
    }


def main(arguments: Sequence[str]) -> int:
    """0 when every bound was kept."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.steady", description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"for {QUICK_SECONDS} seconds")
    parser.add_argument("--rate", type=float, default=RATE, help="heartbeats a second")
    chosen = parser.parse_args(arguments)
    return report.tell(rows(quick=chosen.quick, rate=chosen.rate))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
