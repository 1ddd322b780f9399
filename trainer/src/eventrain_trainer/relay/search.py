"""MLflow's searches: `metrics.loss < 0.5 AND tags.stage = 'last'`, an order, and pages."""

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from eventrain_trainer.relay.asked import Asked
from eventrain_trainer.relay.failure import Failure, invalid

Found = TypeVar("Found")
MOST_RESULTS = 1000
KINDS = {
    "metric": "metric",
    "metrics": "metric",
    "param": "param",
    "params": "param",
    "parameter": "param",
    "parameters": "param",
    "tag": "tag",
    "tags": "tag",
    "dataset": "dataset",
    "datasets": "dataset",
    "attribute": "attribute",
    "attributes": "attribute",
    "attr": "attribute",
    "run": "attribute",
}
SAME = {"run name": "run_name", "created": "start_time", "Created": "start_time"}
_NAME = r"`[^`]+`|\"[^\"]+\"|[\w./\-]+"
_VALUE = r"'(?:[^']|'')*'|\"[^\"]*\"|[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_FIELD = rf"(?:(?P<kind>[A-Za-z]+)\s*\.\s*)?(?P<key>{_NAME})"
_CONDITION = re.compile(
    rf"\s*{_FIELD}\s*(?:"
    rf"(?P<null>IS\s+(?:NOT\s+)?NULL)"
    rf"|(?P<among>(?:NOT\s+)?IN)\s*\(\s*(?P<values>(?:{_VALUE})(?:\s*,\s*(?:{_VALUE}))*)\s*,?\s*\)"
    rf"|(?P<op>>=|<=|!=|=|>|<|LIKE|ILIKE)\s*(?P<value>{_VALUE})"
    rf")\s*",
    re.IGNORECASE,
)
_AND = re.compile(r"AND\b\s*", re.IGNORECASE)
_ORDER = re.compile(rf"\s*{_FIELD}\s*(?P<way>ASC|DESC)?\s*$", re.IGNORECASE)
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
}


@dataclass(frozen=True, slots=True)
class Field:
    """What of an entity is meant: a metric, a param, a tag, or an attribute by its name."""

    kind: str
    key: str


Get = Callable[[Found, Field], Any]
Holds = Callable[[Any], bool]


def page(
    asked: Asked,
    among: Iterable[Found],
    get: Get[Found],
    name: str,
    as_json: Callable[[Found], dict[str, Any]],
    newest_by: str,
) -> dict[str, Any]:
    """Those that were asked for, in their order, as many as one page holds. Raises Failure."""
    conditions = conditions_of(asked.maybe("filter"))
    found = [each for each in among if all(holds(get(each, field)) for field, holds in conditions)]
    for field, falling in reversed([*_orders(asked), (Field("attribute", newest_by), True)]):
        found.sort(key=lambda each, field=field: _rank(get(each, field)), reverse=falling)
        found.sort(key=lambda each, field=field: get(each, field) is None)
    first = asked.whole("page_token", 0)
    last = first + max(1, asked.whole("max_results", MOST_RESULTS))
    answer: dict[str, Any] = {name: [as_json(each) for each in found[first:last]]}
    return answer | ({"next_page_token": str(last)} if last < len(found) else {})


def stages(view: str) -> tuple[str, ...]:
    """The stages of life that a view shows."""
    known = {"DELETED_ONLY": ("deleted",), "2": ("deleted",), "ALL": ("active", "deleted")}
    return (known | {"3": ("active", "deleted")}).get(view, ("active",))


def conditions_of(text: str) -> list[tuple[Field, Holds]]:
    """Raises Failure for what is no filter."""
    conditions: list[tuple[Field, Holds]] = []
    at = 0
    while text[at:].strip():
        if conditions:
            also = _AND.match(text, at)
            if also is None:
                raise _no_filter(text)
            at = also.end()
        match = _CONDITION.match(text, at)
        if match is None:
            raise _no_filter(text)
        conditions.append((_field(match), _condition(match)))
        at = match.end()
    return conditions


def _condition(match: re.Match[str]) -> Holds:
    if null := match["null"]:
        wanted = "NOT" not in null.upper()
        return lambda found: (found is None) is wanted
    if among := match["among"]:
        values = [_value(each) for each in re.findall(_VALUE, match["values"])]
        inside = "NOT" not in among.upper()
        return lambda found: found is not None and (found in values) is inside
    op, value = match["op"].upper(), _value(match["value"])
    if op in ("LIKE", "ILIKE"):
        pattern = _like(str(value), re.IGNORECASE if op == "ILIKE" else re.NOFLAG)
        return lambda found: found is not None and bool(pattern.fullmatch(str(found)))
    return lambda found: found is not None and _compare(op, found, value)


def _compare(op: str, found: Any, value: Any) -> bool:
    if isinstance(found, str) is isinstance(value, str):
        return _COMPARE[op](found, value)
    if isinstance(found, str):
        return _COMPARE[op](found, f"{value:g}" if isinstance(value, float) else str(value))
    raise invalid(f"Expected a number to compare with, got {value!r}")


def _like(pattern: str, flags: re.RegexFlag) -> re.Pattern[str]:
    parts = {"%": ".*", "_": "."}
    return re.compile("".join(parts.get(c, re.escape(c)) for c in pattern), flags | re.DOTALL)


def _value(text: str) -> Any:
    if text[0] in "'\"":
        return text[1:-1].replace("''", "'")
    return float(text)


def _field(match: re.Match[str]) -> Field:
    kind, key = match["kind"], match["key"]
    if kind is None and key[0] not in '`"' and "." in key:
        kind, _, key = key.partition(".")
    known = KINDS.get((kind or "attribute").lower())
    if known is None:
        raise invalid(f"Invalid entity type '{kind}'. Valid values are {sorted(set(KINDS))}")
    key = key[1:-1] if key[0] in '`"' else key
    return Field(known, SAME.get(key, key) if known == "attribute" else key)


def _orders(asked: Asked) -> Sequence[tuple[Field, bool]]:
    """Fields, and whether the order falls."""
    try:
        return [_order(text) for text in asked.texts("order_by")]
    except Failure:
        listed = asked.parts("order_by")
    fields = [_order(each.text("field_name"))[0] for each in listed]
    rising = [each.as_it_came().get("ascending", True) is True for each in listed]
    return [(field, not rises) for field, rises in zip(fields, rising, strict=True)]


def _order(text: str) -> tuple[Field, bool]:
    match = _ORDER.match(text)
    if match is None:
        raise invalid(f"Invalid order_by clause '{text}'.")
    return _field(match), (match["way"] or "").upper() == "DESC"


def _rank(value: Any) -> tuple[int, Any]:
    """Numbers before texts; what is no number before all others."""
    if isinstance(value, str):
        return 2, value
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return 0, 0.0
    return 1, value


def _no_filter(text: str) -> Failure:
    return invalid(f"Invalid filter string: {text!r}")
