"""How compared jobs are printed: a column each, and a mark where they differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eventrain_client.replies import Job
from rich.table import Table

from infra.cli import words
from infra.cli.compare import Row
from infra.cli.tables import plain


def shown(jobs: Sequence[Job], rows: Sequence[Row]) -> Table:
    made = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    made.add_column("", no_wrap=True)
    for job in jobs:
        made.add_column(_heading(job), overflow="fold", min_width=8)
    made.add_column("", no_wrap=True)
    section = ""
    for row in rows:
        if row.section != section:
            section = row.section
            made.add_row(f"[bold]{section}[/]", *[""] * (len(jobs) + 1))
        style = "yellow" if row.differs else ""
        cells = [_cell(section, value) for value in row.values]
        made.add_row(f"  {plain(row.name)}", *cells, _mark(row), style=style)
    return made


def _heading(job: Job) -> str:
    name = job.get("name")
    return plain(f"{job['id'][:8]} {name}" if name else job["id"][:8])


def _cell(section: str, value: Any) -> str:
    if value is None:
        return "-"
    if section == "durations":
        return words.duration(value) if value >= 60 else f"{value:.1f}s"
    if isinstance(value, list):
        items: list[Any] = value
        return plain(" ".join(map(str, items)))
    return plain(words.number(value))


def _mark(row: Row) -> str:
    if not row.differs:
        return ""
    change = _change(row.values) if len(row.values) == 2 else None
    return f"≠ {change}" if change else "≠"


def _change(values: tuple[Any, ...]) -> str | None:
    numbers = [value for value in values if isinstance(value, int | float)]
    if len(numbers) < 2 or any(isinstance(value, bool) for value in numbers) or not numbers[0]:
        return None
    return f"{(numbers[1] - numbers[0]) / abs(numbers[0]):+.1%}"
