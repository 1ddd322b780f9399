"""Labels as a list is narrowed to them."""

from collections.abc import Sequence

from common.errors import Invalid, Violation


def read_labels(texts: Sequence[str] | None) -> dict[str, str] | None:
    """Raises Invalid for what is not `name=value` or `name:value`."""
    if not texts:
        return None
    found: dict[str, str] = {}
    for text in texts:
        at = min((text.find(sign) for sign in "=:" if sign in text), default=-1)
        if at < 1:
            raise Invalid([Violation("label", "must be name=value")])
        found[text[:at]] = text[at + 1 :]
    return found
