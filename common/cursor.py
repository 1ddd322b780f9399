"""Where a list goes on: opaque to whoever carries it back to us."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, TypeVar

import msgspec

from common.errors import Invalid, Violation

T = TypeVar("T")

LONGEST = 1024

# What a column can be compared with, whatever somebody makes up.
Small = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
Big = Annotated[int, msgspec.Meta(ge=-1, le=2**63 - 1)]
Text = Annotated[str, msgspec.Meta(pattern=r"^[^\x00\ud800-\udfff]*$")]
Instant = Annotated[datetime, msgspec.Meta(tz=True)]


@dataclass(frozen=True)
class Page:
    """Some rows, and where the next ones begin."""

    rows: Sequence[Mapping[str, Any]]
    next_cursor: str | None


def page(rows: Sequence[Mapping[str, Any]], limit: int, *key: str) -> Page:
    """The first of the rows that were found with a limit of one more; `key` is their order."""
    shown = rows[:limit]
    more = len(rows) > limit
    return Page(shown, write(*(shown[-1][name] for name in key)) if more else None)


def write(*place: Any) -> str:
    """The cursor of the last row that was shown."""
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).rstrip(b"=").decode()


def read(cursor: str | None, kind: type[T]) -> T | None:
    """The place that was written. Raises Invalid for what is no cursor of this kind of list."""
    if cursor is None:
        return None
    try:
        if len(cursor) > LONGEST:
            raise ValueError
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        text = base64.b64decode(padded, altchars=b"-_", validate=True)
        return msgspec.json.decode(text, type=kind)
    except (ValueError, binascii.Error, msgspec.MsgspecError, UnicodeError):
        raise Invalid([Violation("cursor", "is not a cursor of this list")]) from None
