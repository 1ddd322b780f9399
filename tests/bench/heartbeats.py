"""A contender under load, a turn at a time, and the proof that what was acknowledged is what is
stored."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.bench import contender, world
from tests.bench.contender import Contender
from tests.bench.world import World
from tests.postgres_server import CLONE

Figures = dict[str, Any]


class Dishonest(Exception):
    """The rows in the table are not the heartbeats that were acknowledged."""


class Session:
    """A load generator on its connections, idle between turns."""

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

    def end(self) -> Figures:
        """The figures of all turns."""
        said, wrong = self._process.communicate()
        if self._process.returncode:
            raise RuntimeError(f"the load generator failed:\n{wrong}")
        return json.loads(said)

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()


class Match:
    """A contender in a round, and in the end its figures."""

    def __init__(self, name: str, session: Session) -> None:
        self.name = name
        self.session = session
        self.figures: Figures = {}


@contextmanager
def playing(
    one: Contender, connections: int, made: World, folder: Path, core: set[int]
) -> Generator[Match]:
    """The contender served on a fresh database, with its load. Raises Dishonest at the end."""
    acknowledged = folder / f"acknowledged by {one.module}"
    with made.database() as url:
        with contender.serving(one, url, core) as served:
            plan = {
                "host": "127.0.0.1",
                "port": served.port,
                "server_pid": served.pid,
                "postgres_pid": made.postgres_pid,
                "targets": made.heartbeats(),
                "connections": connections,
                "acknowledged": str(acknowledged),
            }
            with offering(one.name, plan) as match:
                yield match
        if one.stores:
            _check(url, made, acknowledged)


@contextmanager
def offering(name: str, plan: dict[str, Any]) -> Generator[Match]:
    """A load by that plan; its figures are there in the end."""
    session = Session(plan)
    try:
        match = Match(name, session)
        yield match
        match.figures = session.end()
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
