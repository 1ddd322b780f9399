"""The frameworks that can train, as a table, and one of them with its parameters."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from eventrain_client.replies import Framework
from rich.console import RenderableType
from rich.markup import escape
from rich.table import Table

from infra.cli import tables

BOUNDS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "above {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "below {}",
}


def all_of(rows: Sequence[Framework]) -> Table:
    made = tables.table("NAME", "RUNS ON", "JOB TYPES", "DETAIL")
    for row in rows:
        name = escape(row["name"]) + (" (default)" if row["isDefault"] else "")
        made.add_row(name, _machines(row), ", ".join(row["jobTypes"]), escape(row["description"]))
    return made


def one(row: Framework) -> Iterator[RenderableType]:
    yield tables.facts(
        [
            ("framework", escape(row["name"])),
            ("title", escape(row["title"])),
            ("trains", escape(row["description"])),
            ("runs on", _machines(row)),
            ("job types", ", ".join(row["jobTypes"])),
            ("datasets", ", ".join(row["datasetFormats"])),
            ("models", ", ".join(row["modelFormats"])),
            ("leaves", escape(", ".join(row["leaves"]))),
        ]
    )
    if properties := row["parameters"].get("properties"):
        yield ""
        yield _parameters(properties, row["aliases"])


def _parameters(properties: dict[str, dict[str, Any]], aliases: dict[str, str]) -> Table:
    made = tables.table("PARAMETER", "DEFAULT", "MUST BE", "DETAIL")
    for name, schema in properties.items():
        default = json.dumps(schema["default"]) if "default" in schema else "-"
        other = [f"also {alias}" for alias, known in aliases.items() if known == name]
        told = [schema.get("description") or schema.get("title") or "", *other]
        detail = "; ".join(part for part in told if part)
        made.add_row(escape(name), escape(default), escape(_wanted(schema)), escape(detail))
    return made


def _wanted(schema: dict[str, Any]) -> str:
    """`integer, at least 1`, `mlp or linear`; of several forms, each."""
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        return "; or ".join(map(_wanted, choices))
    if "enum" in schema:
        return " or ".join(map(str, schema["enum"]))
    kind = schema.get("type", "")
    kinds = kind if isinstance(kind, str) else " or ".join(kind)
    bounds = [said.format(schema[name]) for name, said in BOUNDS.items() if name in schema]
    return ", ".join(part for part in (kinds, *bounds) if part)


def _machines(row: Framework) -> str:
    kinds = [kind for kind, offered in (("CPU", row["cpu"]), ("GPU", row["gpu"])) if offered]
    return ", ".join(kinds) + ("" if row["usesGpu"] or not row["gpu"] else " (unused)")
