"""How dead letters are printed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from eventrain_client.admin_replies import DeadLetter, Failure
from rich.markup import escape
from rich.table import Table

from infra.cli import words
from infra.cli.tables import detail, facts, short_type, table


def listed(rows: Sequence[DeadLetter], now: datetime) -> Table:
    made = table("ID", "EVENT", "REASON", "AGE", "SENT AGAIN")
    for row in rows:
        made.add_row(
            escape(row["id"]),
            escape(short_type(row["type"])),
            escape(_failure(row["failure"])),
            words.age(row["receivedAt"], now),
            words.date(row["replayedAt"]) if row["replayedAt"] else "-",
        )
    return made


def facts_of(letter: DeadLetter) -> Table:
    return facts(
        [
            ("dead letter", escape(letter["id"])),
            ("event", escape(f"{letter['type']} from {letter['source']}")),
            ("event id", escape(letter["eventId"])),
            ("about", escape(letter["subject"] or "")),
            ("given up", words.date(letter["receivedAt"])),
            ("because", escape(_failure(letter["failure"]))),
            ("sent again", words.date(letter["replayedAt"])),
            ("data", escape(detail(letter.get("data")))),
            ("kept at", escape(letter.get("key", ""))),
        ]
    )


def _failure(failure: Failure) -> str:
    said = failure["code"] or failure["said"] or "nobody answered"
    return f"{failure['destination'] or 'the consumer'}: {said}"
