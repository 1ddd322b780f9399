"""Medians, ratios and targets, as a table and as JSON."""

import json
import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

Figures = Mapping[str, Any]
PARTS = ("uvicorn", "uvloop", "httptools", "asyncpg", "msgspec", "fastapi", "sqlmodel")


@dataclass(frozen=True)
class Target:
    """A ratio that must be reached: ours to another's, at least or at most."""

    text: str
    figure: str
    ours: str
    other: str
    bound: float
    at_most: bool = False


@dataclass(frozen=True)
class Bound:
    """A figure and what it must keep."""

    text: str
    value: float
    unit: str
    bound: float
    at_most: bool = True
    note: str = ""

    @property
    def holds(self) -> bool:
        return self.value <= self.bound if self.at_most else self.value >= self.bound

    def __str__(self) -> str:
        word = "reached" if self.holds else "MISSED"
        wanted = f"{'at most' if self.at_most else 'at least'} {self.bound:g}"
        line = f"  {self.text}: {self.value:.4g} {self.unit}".rstrip() + f" ({wanted}) {word}"
        return f"{line}\n      {self.note}" if self.note else line


def tell(bounds: Sequence[Bound]) -> int:
    """Prints them all; 0 when each was kept."""
    print("\n".join([machine(), *map(str, bounds)]))
    return 0 if all(bound.holds for bound in bounds) else 1


def median(runs: Sequence[Figures], figure: str) -> float:
    """The middle of a figure over all runs of one contender."""
    return statistics.median(run[figure] for run in runs)


def table(title: str, results: Mapping[str, Sequence[Figures]], columns: Sequence[str]) -> str:
    """A row a contender, a column a figure, each a median."""
    lines = [title, f"{'':28}" + "".join(f"{column:>17}" for column in columns)]
    for name, runs in results.items():
        figures = "".join(f"{median(runs, column):>17,.2f}" for column in columns)
        lines.append(f"{name:28}{figures}")
    return "\n".join(lines)


def judge(targets: Sequence[Target], results: Mapping[str, Sequence[Figures]]) -> list[Bound]:
    """The median of the pairs' ratios, for each target whose other side was measured."""
    return [
        Bound(
            target.text,
            ratio(results[target.ours], results[target.other], target.figure),
            "",
            target.bound,
            target.at_most,
        )
        for target in targets
        if target.other in results
    ]


def ratio(ours: Sequence[Figures], other: Sequence[Figures], figure: str) -> float:
    """The median over pairs that ran one after the other, so that a slow minute strikes both."""
    pairs = zip(ours, other, strict=True)
    return statistics.median(mine[figure] / theirs[figure] for mine, theirs in pairs)


def write(file: Path, results: Mapping[str, Any]) -> None:
    """Every run's figures, with where and when they were taken."""
    content = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "versions": {"python": platform.python_version()} | {p: version(p) for p in PARTS},
        "results": results,
    }
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def machine() -> str:
    """The processor's name, as far as it is known."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{len(names)} x {names[0]}" if names else platform.machine()
