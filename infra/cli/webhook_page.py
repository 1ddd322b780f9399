"""How webhooks and their deliveries are printed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from eventrain_client.admin_replies import Delivery, Webhook
from rich.markup import escape
from rich.table import Table

from infra.cli import words
from infra.cli.tables import table

STYLES = {"delivered": "green", "failed": "red", "due": "yellow"}


def listed(rows: Sequence[Webhook]) -> Table:
    made = table("ID", "ADDRESS", "EVENTS", "BY")
    for row in rows:
        events = escape(", ".join(row["events"]))
        made.add_row(row["id"], escape(row["url"]), events, escape(row["createdBy"]))
    return made


def deliveries(rows: Sequence[Delivery], now: datetime) -> Table:
    made = table("ID", "EVENT", "JOB", "TO", "STATE", "TRIES", "CODE", "TOOK", "AGE", "NOTE")
    for row in rows:
        last = row["log"][-1] if row["log"] else None
        style = STYLES.get(row["state"], "default")
        made.add_row(
            row["id"],
            escape(row["event"]),
            (row["jobId"] or "-")[:8],
            escape(row["to"]),
            f"[{style}]{row['state']}[/]",
            str(row["tries"]),
            str(last["code"] or "-") if last else "-",
            f"{last['seconds']:.2f}s" if last else "-",
            words.age(row["createdAt"], now),
            escape(_note(row)),
        )
    return made


def _note(row: Delivery) -> str:
    error = row["log"][-1]["error"] if row["log"] else None
    again = f"again at {words.clock(row['nextTryAt'])}" if error and row["nextTryAt"] else None
    return "; ".join(part for part in (error, again) if part)
