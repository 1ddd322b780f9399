"""What a validation found, for `validation`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from eventrain_client.replies import Validation
from rich.markup import escape

from infra.cli import tables, words
from infra.cli.job_page import show_part

if TYPE_CHECKING:
    from rich.table import Table

    from infra.cli.output import Output


def show_validation(found: Validation, output: Output) -> None:
    output.show(
        tables.facts(
            [
                ("attempt", str(found["attempt"])),
                ("epoch", _or_dash(found.get("epoch"))),
                ("step", _or_dash(found.get("step"))),
                ("told", words.date(found["at"])),
                *((escape(name), words.number(value)) for name, value in found["metrics"].items()),
            ]
        )
    )
    if matrix := found.get("confusionMatrix"):
        title = "Confusion (a row for each true class, a column for what it was taken for)"
        show_part(title, confusion(matrix, found.get("labels")), output)
    if figures := found.get("perClass"):
        show_part("Classes", classes(figures), output)


def confusion(matrix: Sequence[Sequence[float]], labels: Sequence[str] | None) -> Table:
    """What was guessed rightly is bold; nothing is a dot, so that what was not stands out."""
    names = [escape(name) for name in labels or map(str, range(len(matrix)))]
    made = tables.table("TRUE", *names)
    for column in made.columns[1:]:
        column.justify = "right"
    for at, row in enumerate(matrix):
        cells = [_cell(value, right=at == other) for other, value in enumerate(row)]
        made.add_row(names[at], *cells)
    return made


def classes(figures: dict[str, dict[str, Any]]) -> Table:
    metrics = list(dict.fromkeys(name for of_one in figures.values() for name in of_one))
    made = tables.table("CLASS", *(escape(name.upper()) for name in metrics))
    for name, of_one in figures.items():
        cells = [words.number(of_one[metric]) if metric in of_one else "-" for metric in metrics]
        made.add_row(escape(name), *cells)
    return made


def _cell(value: float, *, right: bool) -> str:
    text = words.number(value) if value else "·"
    return f"[bold]{text}[/]" if right and value else text


def _or_dash(value: Any) -> str:
    return "-" if value is None else str(value)
