"""`python -m tests.bench.contest`: heartbeats against the baselines, in alternated runs.

Starts its own Postgres and servers, and leaves nothing behind but a file of results.
"""

import argparse
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench import contender, heartbeats, mlflow, report, world
from tests.bench.contender import BARE, FRAMEWORK, ONE_STATEMENT, OURS, Contender
from tests.bench.heartbeats import Ground, Session
from tests.bench.mlflow import MLFLOW
from tests.bench.report import Bound, Target

RESULTS = Path(__file__).with_name("results") / "heartbeats.json"
COLUMNS = ("rate", "server_cpu_us", "postgres_cpu_us", "p50_ms", "p99_ms", "memory_mb")
WIDE = (OURS, BARE, ONE_STATEMENT, FRAMEWORK, MLFLOW)
NARROW = (OURS, ONE_STATEMENT)
WIDE_TARGETS = [
    Target("rate to one statement a request", "rate", OURS.name, ONE_STATEMENT.name, 2),
    Target("rate to bare uvicorn", "rate", OURS.name, BARE.name, 0.4),
    Target("rate to FastAPI + SQLModel", "rate", OURS.name, FRAMEWORK.name, 25),
    Target("rate to MLflow", "rate", OURS.name, MLFLOW.name, 60),
]
NARROW_TARGETS = [
    Target("p99 to one statement a request", "p99_ms", OURS.name, ONE_STATEMENT.name, 1.2, True),
]
CPU_TARGETS = [
    Target("CPU of one statement a request to ours", "server_cpu_us", ONE_STATEMENT.name, OURS.name, 2),
    Target("CPU of bare uvicorn to ours", "server_cpu_us", BARE.name, OURS.name, 0.4),
    Target("CPU of FastAPI + SQLModel to ours", "server_cpu_us", FRAMEWORK.name, OURS.name, 25),
]  # fmt: skip


@dataclass(frozen=True)
class Scale:
    """How many rounds, and in each how many turns of how many seconds. In a round all are up, each
    on a fresh database, and take turns: the machine's speed changes within seconds, and so strikes
    everybody alike."""

    rounds: int
    turns: int
    seconds: float


WARM_UP = 2.0
QUICK, FULL = Scale(2, 2, 1), Scale(5, 8, 1)
Results = Mapping[str, Sequence[Mapping[str, Any]]]


def main(arguments: Sequence[str]) -> int:
    """0 when every target was reached."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.contest", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two short rounds, without MLflow")
    return report.tell(rows(quick=parser.parse_args(arguments).quick))


def rows(*, quick: bool) -> list[Bound]:
    """The medians of the pairs' ratios."""
    scale = QUICK if quick else FULL
    load_cores, core = world.cores()
    if load_cores == core:
        print("one core only: server, load and Postgres share it")
    with (
        contender.pinned(load_cores),
        tempfile.TemporaryDirectory(prefix="eventrain-bench-") as folder,
        world.make(Path(folder) / "postgres") as made,
    ):
        wide_field = [one for one in WIDE if one is not MLFLOW or _has_mlflow(scale)]
        ground = Ground(made, Path(folder), core)
        wide = _alternate(wide_field, scale, 64, ground)
        narrow = _alternate(NARROW, scale, 8, ground)
    report.write(RESULTS, {"64 connections": wide, "8 connections": narrow})
    _show(wide, narrow)
    return report.judge(WIDE_TARGETS, wide) + report.judge(NARROW_TARGETS, narrow)


def _has_mlflow(scale: Scale) -> bool:
    if scale is QUICK:
        return False
    problem = mlflow.prepare()
    if problem:
        print(f"MLflow is skipped: {problem}")
    return problem is None


def _alternate(
    field: Sequence[Contender], scale: Scale, connections: int, ground: Ground
) -> Results:
    results: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for number in range(1, scale.rounds + 1):
        sessions = _round(field, scale, connections, ground)
        for one, session in zip(field, sessions, strict=True):
            figures = session.figures
            results[one.name].append(figures)
            said = f"{figures['rate']:>9,.0f}/s {figures['server_cpu_us']:>8,.0f} us of CPU"
            print(f"round {number}, {connections:2} connections: {one.name:28}{said}")
    return results


def _round(
    field: Sequence[Contender], scale: Scale, connections: int, ground: Ground
) -> list[Session]:
    with ExitStack() as stack:
        sessions = [
            stack.enter_context(
                (mlflow if one is MLFLOW else heartbeats).playing(one, connections, ground)
            )
            for one in field
        ]
        for seconds in (WARM_UP, *[scale.seconds] * scale.turns):
            for session in sessions:
                session.turn(seconds)
    return sessions


def _show(wide: Results, narrow: Results) -> None:
    print(report.table("heartbeats, 64 connections (medians)", wide, COLUMNS))
    print(report.table("heartbeats, 8 connections (medians)", narrow, COLUMNS))
    print("the ratios by CPU, which a busy machine blurs less")
    for each in report.judge(CPU_TARGETS, wide):
        print(f"  {each.text}: {each.value:.2f}")


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
