"""Label and field selectors, as the API's query parameters write them."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from infra.local.cluster.resource import Json
from infra.local.cluster.status import bad_request

Labels = Mapping[str, str]
Matches = Callable[[Labels], bool]
FieldMatches = Callable[[Json], bool]

_KEY = r"[A-Za-z0-9]([-A-Za-z0-9_./]*[A-Za-z0-9])?"
_VALUE = r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?"
_EQUALS = re.compile(rf"^({_KEY})\s*(==|=|!=)\s*({_VALUE})$")
_WITHIN = re.compile(rf"^({_KEY})\s+(in|notin)\s*\(([^()]*)\)$")
_EXISTS = re.compile(rf"^(!?)\s*({_KEY})$")
_COMMA = re.compile(r",(?![^(]*\))")
_FIELD = re.compile(r"^([A-Za-z.]+)(==|=|!=)(.*)$")

FIELDS = ("metadata.name", "metadata.namespace", "status.phase", "spec.nodeName", "type")


def match_labels(text: str) -> Matches:
    """Raises Refused (400) for a selector that cannot be read."""
    parts = [_requirement(part.strip()) for part in _COMMA.split(text) if part.strip()]
    return lambda labels: all(part(labels) for part in parts)


def match_fields(text: str) -> FieldMatches:
    parts = [_field(part) for part in text.split(",") if part]
    return lambda body: all(part(body) for part in parts)


def _requirement(part: str) -> Matches:
    if found := _EQUALS.match(part):
        return _equals(found[1], found[3], found[4])
    if found := _WITHIN.match(part):
        values = {value.strip() for value in found[4].split(",")}
        return _within(found[1], values, wanted=found[3] == "in")
    if found := _EXISTS.match(part):
        key, wanted = found[2], not found[1]
        return lambda labels: (key in labels) == wanted
    raise bad_request(f'unable to parse requirement: "{part}"')


def _equals(key: str, sign: str, value: str) -> Matches:
    if sign == "!=":
        return lambda labels: labels.get(key) != value
    return lambda labels: labels.get(key) == value


def _within(key: str, values: set[str], *, wanted: bool) -> Matches:
    return lambda labels: (labels.get(key) in values) == wanted


def _field(part: str) -> FieldMatches:
    found = _FIELD.match(part.strip())
    if not found:
        raise bad_request(f"invalid field selector: {part}")
    path, sign, value = found.groups()
    if path not in FIELDS:
        raise bad_request(f"field label not supported: {path}")
    return lambda body: (_at(body, path) == value) == (sign != "!=")


def _at(body: Json, path: str) -> str:
    value: Any = body
    for step in path.split("."):
        value = value.get(step, {})
    return value or ""
