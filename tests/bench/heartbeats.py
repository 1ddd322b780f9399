"""One run: a contender, a load, and the proof that what was acknowledged is what is stored."""

import asyncio
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench import contender, world
from tests.bench.contender import Contender
from tests.bench.world import World
from tests.postgres_server import CLONE

Figures = dict[str, Any]


@dataclass(frozen=True)
class Load:
    """So many connections, warmed up, then measured for so many seconds."""

    connections: int
    warm_up: float
    seconds: float


class Dishonest(Exception):
    """The rows in the table are not the heartbeats that were acknowledged."""


def measure(one: Contender, load: Load, made: World, folder: Path, core: set[int]) -> Figures:
    """The figures of one run on a fresh database. Raises Dishonest."""
    with made.database() as url:
        with contender.serving(one, url, core) as served:
            figures = offer(
                {
                    "host": "127.0.0.1",
                    "port": served.port,
                    "server_pid": served.pid,
                    "postgres_pid": made.postgres_pid,
                    "targets": made.heartbeats(),
                    **vars(load),
                },
                folder / "acknowledged",
            )
        if one.stores:
            _check(url, made, folder / "acknowledged")
    return figures


def offer(plan: dict[str, Any], acknowledged: Path) -> Figures:
    """Runs the load generator to its end."""
    ran = subprocess.run(
        [sys.executable, "-m", "tests.bench.load"],
        input=json.dumps(plan | {"acknowledged": str(acknowledged)}),
        capture_output=True,
        text=True,
        cwd=CLONE,
        check=False,
    )
    if ran.returncode:
        raise RuntimeError(f"the load generator failed:\n{ran.stderr}")
    return json.loads(ran.stdout)


def _check(url: str, made: World, acknowledged: Path) -> None:
    stored = asyncio.run(world.read_stored(url))
    told = set[tuple[Any, int]]()
    for line in acknowledged.read_text().splitlines():
        index, sequence = line.split()
        told.add((made.jobs[int(index)], int(sequence)))
    if stored != told:
        raise Dishonest(
            f"{len(told - stored)} acknowledged heartbeats are not stored, "
            f"{len(stored - told)} stored ones were not acknowledged"
        )
