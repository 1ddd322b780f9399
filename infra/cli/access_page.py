"""How tokens, projects, members and the audit are printed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.markup import escape
from rich.table import Table

from infra.cli import words
from infra.cli.tables import facts, table

Row = Mapping[str, Any]


def tokens(rows: Sequence[Row]) -> Table:
    made = table("ID", "NAME", "FOR", "ROLE", "UNTIL", "REVOKED")
    for row in rows:
        made.add_row(
            row["id"],
            escape(row["name"]),
            escape(row["subject"]),
            row["role"] or "its maker's",
            words.date(row["expiresAt"]),
            words.date(row["revokedAt"]) if row["revokedAt"] else "-",
        )
    return made


def projects(rows: Sequence[Row]) -> Table:
    made = table("ID", "NAME", "ROLE", "LIVE JOBS", "GPUS", "GPU HOURS A MONTH")
    for row in rows:
        quota = row["quota"]
        bounds = (quota["liveJobs"], quota["gpus"], quota["gpuHoursPerMonth"])
        made.add_row(row["id"], escape(row["name"]), row["role"] or "-", *map(_bound, bounds))
    return made


def project_facts(row: Row) -> Table:
    quota, usage = row["quota"], row["usage"]
    hours = quota["gpuHoursPerMonth"]
    return facts(
        [
            ("project", row["id"]),
            ("name", escape(row["name"])),
            ("your role", row["role"]),
            ("live jobs", f"{usage['liveJobs']} of {_bound(quota['liveJobs'])}"),
            ("GPUs", f"{usage['gpus']} of {_bound(quota['gpus'])}"),
            ("GPU hours this month", f"{usage['gpuHours']:g} of {_bound(hours)}"),
        ]
    )


def members(rows: Sequence[Row]) -> Table:
    made = table("USER", "ROLE", "ADDED BY", "ADDED")
    for row in rows:
        made.add_row(
            escape(row["user"]), row["role"], escape(row["addedBy"]), words.date(row["addedAt"])
        )
    return made


def audit(rows: Sequence[Row]) -> Table:
    made = table("WHEN", "WHO", "DID", "ON", "OUTCOME", "REQUEST")
    for row in rows:
        made.add_row(
            words.date(row["at"]),
            escape(row["user"]),
            escape(row["action"]),
            escape(row["target"] or "-"),
            row["outcome"],
            escape(row["requestId"]),
        )
    return made


def _bound(most: float | None) -> str:
    return "no bound" if most is None else f"{most:g}"
