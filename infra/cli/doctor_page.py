"""How findings are printed: what is wrong with what to do, what is well in a line."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group
from rich.text import Text

from infra.cli.diagnosis import Finding


def shown(findings: Sequence[Finding]) -> Group:
    wrong = sum(each.wrong is not None for each in findings)
    verdict = {0: "Nothing is wrong.", 1: "1 thing is wrong."}.get(
        wrong, f"{wrong} things are wrong."
    )
    return Group(*(_block(each) for each in findings), Text(verdict, style="bold"))


def _block(finding: Finding) -> Text:
    if finding.wrong is None:
        return Text.assemble(("ok     ", "green"), f"{finding.check}: ", (finding.seen, "dim"))
    return Text.assemble(
        ("WRONG  ", "bold red"),
        f"{finding.check}: {finding.wrong}\n",
        (f"         seen   {finding.seen}\n", "dim"),
        f"         to do  {finding.todo}",
    )
