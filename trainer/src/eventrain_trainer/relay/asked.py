"""What a request asks for: its JSON or its query, read by name. Raises Failure, as MLflow does."""

import json
import math
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

from eventrain_trainer.relay.failure import Failure, invalid

LONGEST = 2**63 - 1


class Asked:
    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    @classmethod
    def of_query(cls, query: str) -> "Asked":
        """A name that comes once stands for its value, one that comes more often for a list."""
        found = parse_qs(query, keep_blank_values=True)
        return cls({name: all_[0] if len(all_) == 1 else all_ for name, all_ in found.items()})

    @classmethod
    def of_json(cls, body: bytes) -> "Asked":
        try:
            found: Any = json.loads(body or b"{}")
        except (ValueError, RecursionError) as error:
            raise Failure("BAD_REQUEST", f"The request body is no JSON: {error}") from error
        if not isinstance(found, dict):
            raise Failure("BAD_REQUEST", "The request body is no JSON object.")
        return cls(found)

    def with_path(self, named: Mapping[str, str]) -> "Asked":
        """The same, with what the path says."""
        return Asked({**self._values, **named})

    def has(self, name: str) -> bool:
        return self._values.get(name) is not None

    def text(self, name: str) -> str:
        found = self._values.get(name)
        if found is None or found == "":
            raise missing(name)
        return _text(name, found)

    def maybe(self, name: str, default: str = "") -> str:
        found = self._values.get(name)
        return default if found is None else _text(name, found)

    def whole(self, name: str, default: int | None = None) -> int:
        found = self._values.get(name)
        if found is None or found == "":
            if default is None:
                raise missing(name)
            return default
        return whole(name, found)

    def real(self, name: str) -> float:
        found = self._values.get(name)
        if found is None:
            raise missing(name)
        return real(name, found)

    def texts(self, name: str) -> list[str]:
        found = self._values.get(name)
        if found is None:
            return []
        listed: list[Any] = found if isinstance(found, list) else [found]
        return [_text(name, each) for each in listed]

    def parts(self, name: str) -> "list[Asked]":
        """A list of objects."""
        found = self._values.get(name)
        if found is None:
            return []
        if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
            raise _wrong(name, found)
        listed: list[dict[str, Any]] = found
        return [Asked(each) for each in listed]

    def part(self, name: str) -> "Asked":
        found = self._values.get(name)
        if found is None:
            raise missing(name)
        if not isinstance(found, dict):
            raise _wrong(name, found)
        return Asked(found)

    def pairs(self, name: str) -> dict[str, str]:
        """A list of keys and values."""
        return {each.maybe("key"): each.maybe("value") for each in self.parts(name)}

    def as_it_came(self) -> dict[str, Any]:
        return dict(self._values)


def missing(name: str) -> Failure:
    return invalid(
        f"Missing value for required parameter '{name}'. "
        "See the API docs for more information about request parameters."
    )


def whole(name: str, found: Any) -> int:
    try:
        number = int(found)
    except (TypeError, ValueError, OverflowError):
        raise _wrong(name, found) from None
    if isinstance(found, bool) or abs(number) > LONGEST:
        raise _wrong(name, found)
    return number


def real(name: str, found: Any) -> float:
    """A number, or the text by which JSON says one that is not finite."""
    if isinstance(found, bool):
        raise _wrong(name, found)
    try:
        return float(found)
    except OverflowError:
        return math.inf if found > 0 else -math.inf
    except (TypeError, ValueError):
        raise _wrong(name, found) from None


def _text(name: str, found: Any) -> str:
    if isinstance(found, str):
        return found
    if isinstance(found, int | float) and not isinstance(found, bool):
        return str(found)
    raise _wrong(name, found)


def _wrong(name: str, found: Any) -> Failure:
    shown = repr(found)
    shown = shown if len(shown) <= 200 else shown[:200] + "..."
    return invalid(
        f"Invalid value {shown} for parameter '{name}' supplied. "
        "See the API docs for more information about request parameters."
    )
