"""How lineage, files and what was verified are printed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich.markup import escape
from rich.table import Table
from rich.tree import Tree

from infra.cli import words
from infra.cli.receipt import Finding
from infra.cli.tables import facts, table

Row = Mapping[str, Any]


def lineage(told: Row) -> Tree:
    """What it was made from above, what was made of it below."""
    entry = told.get("model") or told.get("dataset") or {}
    tree = Tree(_named("", entry))
    made_from = told.get("made_from")
    if made_from:
        _origin(tree.add("made from"), made_from)
    made = told["made"]
    below = tree.add("made of it")
    for job in made["jobs"]:
        below.add(_named("job", job))
    for model in made["models"]:
        below.add(_named("model", model))
    if made["more"]:
        below.add("… and more")
    if not below.children:
        below.add("nothing yet")
    return tree


def dataset(row: Row) -> Table:
    told = ("id", "name", "version", "type", "storage_uri", "owner_team", "pii_scan_status")
    return facts([(name, escape(str(row.get(name) or "-"))) for name in told])


def files(rows: Sequence[Row]) -> Table:
    made = table("FILE", "SIZE", "SHA-256")
    for row in rows:
        made.add_row(escape(row["name"]), words.size(row["size"]), row["sha256"] or "-")
    return made


def findings(rows: Sequence[Finding]) -> Table:
    made = table("", "WHAT", "")
    for row in rows:
        mark = "[red]wrong[/]" if row.wrong else "[green]right[/]"
        made.add_row(mark, escape(row.what), escape(row.wrong or ""))
    return made


def preview(told: Row) -> Table:
    """A table where the file is one, else its lines or objects as they are."""
    if told["columns"] is None:
        made = table(escape(told["file"]))
        for row in told["rows"]:
            made.add_row(
                escape(row if isinstance(row, str) else json.dumps(row, ensure_ascii=False))
            )
        return made
    made = table(*(escape(name) for name in told["columns"]))
    width = len(told["columns"])
    for row in told["rows"]:
        cells = [escape(cell) for cell in row[:width]]
        made.add_row(*cells)
    return made


def _origin(tree: Tree, told: Row) -> None:
    job, code = told["job"], told["code"]
    if job is None:
        tree.add("no job: it was uploaded")
    else:
        tree.add(
            f"{_named('job', job)}, attempt {job['attempt']}, by {escape(job['submitted_by'])}"
        )
        source = code["source"] or {}
        what = source.get("digest") or source.get("uri") or code["image"] or code["framework"]
        tree.add(f"code  {escape(str(what or 'unknown'))}")
    if told["base_model"]:
        tree.add(_named("base model", told["base_model"]))
    for dataset in told["datasets"]:
        tree.add(_named("dataset", dataset))


def _named(kind: str, row: Row) -> str:
    name = escape(" ".join(str(row[key]) for key in ("name", "version") if row.get(key)))
    status = f" ({row['status']})" if row.get("status") else ""
    return " ".join(part for part in (kind, name or "(gone)", f"{row['id']}{status}") if part)
