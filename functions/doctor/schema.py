"""How what was looked at is shown."""

from typing_extensions import TypedDict

from common.doctor.finding import Finding


class Look(TypedDict):
    """`wrong` is null where all is as it should be; `seen` says how that is known."""

    check: str
    wrong: str | None
    seen: str
    todo: str


class Looks(TypedDict):
    findings: list[Look]


def shown(finding: Finding) -> Look:
    return {
        "check": finding.check,
        "wrong": finding.wrong,
        "seen": finding.seen,
        "todo": finding.todo,
    }
