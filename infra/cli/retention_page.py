"""How what is too old is printed."""

from __future__ import annotations

from collections.abc import Sequence

from eventrain_client.admin_replies import Expired
from rich.markup import escape
from rich.table import Table

from infra.cli import words
from infra.cli.tables import table


def listed(kinds: Sequence[Expired]) -> Table:
    made = table("KIND", "KEPT", "ROWS", "OBJECTS", "SIZE")
    for kind in kinds:
        more = "+" if kind["more"] else ""
        made.add_row(
            escape(kind["kind"]),
            f"{kind['days']:g} d",
            f"{kind['rows']}{more if kind['rows'] else ''}",
            f"{kind['objects']}{more if kind['objects'] else ''}",
            words.size(kind["bytes"]),
        )
    return made
