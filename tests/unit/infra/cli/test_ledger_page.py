"""How the ledger is printed, and what is asked for it."""

from typing import Any

import pytest
from eventrain_client.admin_replies import Ledger, LedgerEntry
from rich.console import Console

from infra.cli import ledger_page
from infra.cli.commands.ledger import moment

NONE = dict.fromkeys(ledger_page.KINDS, 0.0)


def hours(**given: float) -> dict[str, float]:
    return {**NONE, **given}


def entry(**changes: Any) -> LedgerEntry:
    whole: Any = {
        "key": "ada",
        "name": None,
        "jobs": 2,
        "gpuHours": hours(useful=6, lost=1.5),
        "cpuHours": NONE,
        "cost": {"useful": 2.1, "lost": 0.525, "stalled": 0, "total": 2.625},
        "unpricedHours": 0.0,
    }
    whole |= changes
    return whole


def page(*entries: LedgerEntry) -> Ledger:
    return {"ledger": list(entries), "groupBy": "user", "currency": "USD", "nextCursor": None}


def lines(*entries: LedgerEntry) -> list[list[str]]:
    console = Console(width=200, color_system=None)
    with console.capture() as captured:
        console.print(ledger_page.listed(page(*entries)))
    return [line.split() for line in captured.get().splitlines()]


class TestLedger:
    def test_has_a_line_for_each_group(self) -> None:
        head, row = lines(entry())
        assert head == [
            "USER",
            "JOBS",
            "HOURS",
            "OF",
            "USEFUL",
            "LOST",
            "STALLED",
            "QUEUED",
            "COST",
            "USD",
        ]
        assert row == ["ada", "2", "GPU", "6.00", "1.50", "0.00", "0.00", "2.62"]

    def test_has_another_for_the_cores_of_a_group_that_used_both(self) -> None:
        _, _, cores = lines(entry(cpuHours=hours(queued=3)))
        assert cores == ["CPU", "0.00", "0.00", "0.00", "3.00"]

    def test_names_only_cores_where_there_was_no_gpu(self) -> None:
        _, row = lines(entry(gpuHours=NONE, cpuHours=hours(useful=1)))
        assert row[2:4] == ["CPU", "1.00"]

    def test_says_how_many_hours_have_no_price(self) -> None:
        assert ledger_page.unpriced(page(entry())) is None
        assert "1.50 hours" in str(ledger_page.unpriced(page(entry(unpricedHours=1.5))))


@pytest.mark.parametrize(
    ("said", "asked"),
    [
        ("2026-11-01", "2026-11-01T00:00:00Z"),
        ("2026-11-01T10:00:00+02:00", "2026-11-01T10:00:00+02:00"),
        (None, None),
    ],
)
def test_a_day_begins_at_midnight_utc(said: str | None, asked: str | None) -> None:
    assert moment(said) == asked
