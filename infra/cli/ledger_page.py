"""How the ledger is printed."""

from __future__ import annotations

from eventrain_client.admin_replies import Ledger, LedgerEntry
from rich.markup import escape
from rich.table import Table

from infra.cli.tables import table

KINDS = ("useful", "lost", "stalled", "queued")


def listed(page: Ledger) -> Table:
    """A line for GPUs and one for CPU cores, where a group used both."""
    heads = (heading.upper() for heading in KINDS)
    group = "GPU TYPE" if page["groupBy"] == "gpuType" else page["groupBy"].upper()
    made = table(group, "JOBS", "HOURS OF", *heads, f"COST {page['currency']}")
    for entry in page["ledger"]:
        for place, (of, hours) in enumerate(_used(entry)):
            first = place == 0
            made.add_row(
                escape(_called(entry)) if first else "",
                str(entry["jobs"]) if first else "",
                of,
                *(f"{hours[kind]:.2f}" for kind in KINDS),
                _cost(entry) if first else "",
            )
    return made


def unpriced(page: Ledger) -> str | None:
    hours = sum(entry["unpricedHours"] for entry in page["ledger"])
    return f"{hours:.2f} hours have no price in prices.yaml and are in no cost." if hours else None


def _called(entry: LedgerEntry) -> str:
    return f"{entry['key']} {entry['name']}" if entry["name"] else entry["key"]


def _used(entry: LedgerEntry) -> list[tuple[str, dict[str, float]]]:
    both = [("GPU", entry["gpuHours"]), ("CPU", entry["cpuHours"])]
    return [(of, hours) for of, hours in both if any(hours.values())] or both[:1]


def _cost(entry: LedgerEntry) -> str:
    return f"{entry['cost']['total']:.2f}"
