"""The documented diagram of the states is the table, drawn."""

import re
from pathlib import Path

import pytest

from common.jobs.state import RULES, TERMINAL, Status

CLONE = Path(__file__).parents[4]


def draw() -> list[str]:
    """One arrow from state to state, with all that leads along it."""
    arrows: dict[tuple[Status, Status], list[str]] = {}
    for rule in RULES:
        when = " (cancelling)" if rule.cancelling else ""
        arrows.setdefault((rule.source, rule.target), []).append(f"{rule.trigger}{when}")
    lines = ["[*] --> pending: submitted"]
    states = list(Status)
    ordered = sorted(arrows, key=lambda arrow: tuple(map(states.index, arrow)))
    lines += [f"{a} --> {b}: {' / '.join(arrows[a, b])}" for a, b in ordered]
    return [*lines, *(f"{state} --> [*]" for state in Status if state in TERMINAL)]


@pytest.mark.parametrize("page", ["README.md", "docs/states.md"])
def test_equals_the_table(page: str) -> None:
    text = (CLONE / page).read_text(encoding="utf-8")
    found = re.search(r"```mermaid\nstateDiagram-v2\n(.*?)```", text, re.DOTALL)
    assert found is not None
    assert [line.strip() for line in found[1].strip().splitlines()] == draw()
