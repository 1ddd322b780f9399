"""A contender under load, a turn at a time, and the proof that what was acknowledged is what is
stored."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.bench import contender, world
from tests.bench.contender import Contender, Served
from tests.bench.world import Target, World
from tests.postgres_server import CLONE

Figures = dict[str, Any]


class Dishonest(Exception):
    """The rows in the table are not the heartbeats that were acknowledged."""


class Ground(NamedTuple):
    """Where a round is played: over which Postgres, with which folder, and the servers' core."""

    made: World
    folder: Path
    core: set[int]


class Session:
    """A load generator that takes turns; `figures` are there in the end."""

    figures: Figures

    def __init__(self, plan: dict[str, Any]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.load"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=CLONE,
        )
        self._say(json.dumps(plan))

    def turn(self, seconds: float) -> None:
        """The first warms up; the others are measured."""
        self._say(f"{seconds}")
        assert self._process.stdout is not None
        if not self._process.stdout.readline():
            raise RuntimeError(f"the load generator failed:\n{self._process.communicate()[1]}")

    def end(self) -> None:
        said, wrong = self._process.communicate()
        if self._process.returncode:
            raise RuntimeError(f"the load generator failed:\n{wrong}")
        self.figures = json.loads(said)

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()


@contextmanager
def playing(one: Contender, connections: int, ground: Ground) -> Generator[Session]:
    """The contender served on a fresh database, with its load. Raises Dishonest at the end."""
    made, acknowledged = ground.made, ground.folder / f"acknowledged by {one.name}"
    with made.database() as url:
        with (
            contender.serving(one, url, ground.core) as served,
            offering(served, made, made.heartbeats(), connections, acknowledged) as session,
        ):
            yield session
        if one.stores:
            _check(url, made, acknowledged)


@contextmanager
def offering(
    served: Served, made: World, targets: list[Target], connections: int, acknowledged: Path
) -> Generator[Session]:
    """A load on what is served."""
    session = Session(
        {
            "host": "127.0.0.1",
            "port": served.port,
            "server_pid": served.pid,
            "postgres_pid": made.postgres_pid,
            "targets": targets,
            "connections": connections,
            "acknowledged": str(acknowledged),
        }
    )
    try:
        yield session
        session.end()
    finally:
        session.stop()


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
