"""How what is too old is shown."""

from typing_extensions import TypedDict

from common.sync.sweep import Found


class Kind(TypedDict):
    """What of a kind is older than so many days. Of some the size is not known before they are
    fetched; `more` where counting stopped."""

    kind: str
    days: float
    rows: int
    objects: int
    bytes: int | None
    more: bool


class Kinds(TypedDict):
    kinds: list[Kind]


def kind(found: Found) -> Kind:
    return {
        "kind": found.kind,
        "days": found.days,
        "rows": found.rows,
        "objects": found.objects,
        "bytes": found.size,
        "more": found.more,
    }
