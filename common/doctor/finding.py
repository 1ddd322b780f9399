"""What was looked at, and what is wrong with it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One look: what is wrong, if anything, how that was seen, and what to do about it."""

    check: str
    seen: str
    wrong: str | None = None
    todo: str = ""
