"""What a trainer's bodies must look like: the same is refused here as by the callback functions."""

import json
import math
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NoReturn

from eventrain_trainer.mock.answer import Refusal

Rule = Callable[[Any, str], None]

GREATEST = 2**63 - 1
LARGEST_OBJECT = 5 * 1024**4
KIND = re.compile(r"^[a-z][a-z0-9_.]{0,63}$")
SHA256 = re.compile(r"^[0-9a-f]{64}$")


def parse(body: bytes) -> Any:
    """The JSON value. Raises Refusal 400, or 422 for a NUL, which no database takes."""
    if rb"\u0000" in body:
        raise Refusal.of_field("", "must not hold the character NUL")
    try:
        value = json.loads(body.decode("utf-8"), parse_constant=_no_number)
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError):
        raise Refusal(400, "UNREADABLE", "The body is not JSON.") from None
    return value


def check(value: Any, rule: Rule) -> dict[str, Any]:
    """The body, an object that keeps the rule. Raises Refusal 422."""
    rule(value, "")
    return value


def record(required: Mapping[str, Rule], optional: Mapping[str, Rule]) -> Rule:
    """An object; fields that nobody knows are let be."""

    def rule(value: Any, path: str) -> None:
        if not isinstance(value, dict):
            _refuse(path, f"Expected `object`, got `{_kind(value)}`")
        for name, each in {**required, **optional}.items():
            if name in value:
                each(value[name], _below(path, name))
            elif name in required:
                _refuse(_below(path, name), f"Object missing required field `{name}`")

    return rule


def whole(least: int = 0, most: int = GREATEST) -> Rule:
    def rule(value: Any, path: str) -> None:
        if isinstance(value, bool) or not isinstance(value, int):
            _refuse(path, f"Expected `int`, got `{_kind(value)}`")
        if not least <= value <= most:
            _refuse(path, f"Expected `int` from {least} to {most}")

    return rule


def real(least: float = -math.inf, most: float = math.inf) -> Rule:
    def rule(value: Any, path: str) -> None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            _refuse(path, f"Expected `float`, got `{_kind(value)}`")
        if not math.isfinite(value) or not least <= value <= most:
            _refuse(path, "Number out of range")

    return rule


def text(most: int, least: int = 0, pattern: re.Pattern[str] | None = None) -> Rule:
    def rule(value: Any, path: str) -> None:
        if not isinstance(value, str):
            _refuse(path, f"Expected `str`, got `{_kind(value)}`")
        if not least <= len(value) <= most or (pattern and not pattern.match(value)):
            _refuse(path, f"Expected `str` of {least} to {most} characters that fits")

    return rule


def one_of(*words: str) -> Rule:
    def rule(value: Any, path: str) -> None:
        if value not in words:
            _refuse(path, f"Invalid enum value {value!r}; one of {', '.join(words)}")

    return rule


def figure(value: Any, path: str) -> None:
    """A metric: a number, or the name of what is none."""
    if not isinstance(value, str):
        real()(value, path)
    elif value not in ("NaN", "Infinity", "-Infinity"):
        _refuse(path, f"Invalid enum value {value!r}")


def maybe(other: Rule) -> Rule:
    def rule(value: Any, path: str) -> None:
        if value is not None:
            other(value, path)

    return rule


def each(item: Rule, most: int) -> Rule:
    def rule(value: Any, path: str) -> None:
        if not isinstance(value, list):
            _refuse(path, f"Expected `array`, got `{_kind(value)}`")
        if len(value) > most:
            _refuse(path, f"Expected `array` of length <= {most}")
        for number, one in enumerate(value):
            item(one, f"{path}[{number}]")

    return rule


def named(item: Rule, most: int) -> Rule:
    def rule(value: Any, path: str) -> None:
        if not isinstance(value, dict):
            _refuse(path, f"Expected `object`, got `{_kind(value)}`")
        if len(value) > most:
            _refuse(path, f"Expected `object` of length <= {most}")
        for name, one in value.items():
            text(200, 1)(name, "")
            item(one, path)

    return rule


def anything(value: Any, path: str) -> None:
    """Whatever JSON holds, as far as 64 bits go."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict | list):
            waiting += one.values() if isinstance(one, dict) else one
        elif isinstance(one, int) and not -(2**63) <= one < 2**64:
            _refuse(path, "holds a number of more than 64 bits")


def moment(value: Any, path: str) -> None:
    try:
        at = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        _refuse(path, "Invalid RFC3339 encoded datetime")
    if at.tzinfo is None:
        _refuse(path, "must name a time zone")
    try:
        at.timestamp()
        at.astimezone()
    except (OverflowError, ValueError):
        _refuse(path, "is no time in the years 1 to 9999")


def _payload(value: Any, path: str) -> None:
    named_anything = record({}, {})
    named_anything(value, path)
    anything(value, path)


NAME = text(200, 1)
OBJECT_NAME = text(512, 1)
METRICS = named(figure, 1000)
POINT = record(
    {"name": NAME, "value": figure}, {"step": maybe(whole()), "time": maybe(text(10_000))}
)
HEARTBEAT = record(
    {"sequence": whole()},
    {
        "epoch": maybe(real(0, 2**53)),
        "totalEpochs": maybe(real(0, 2**53)),
        "step": maybe(whole()),
        "totalSteps": maybe(whole()),
        "progress": maybe(real(0, 1)),
        "metrics": METRICS,
        "resources": named(anything, 100),
        "points": each(POINT, 1000),
        "trace_id": maybe(text(GREATEST)),
        "message": maybe(text(10_000)),
    },
)
EVENT = record(
    {"type": text(64, 1, KIND), "occurredAt": moment},
    {"payload": _payload},
)
CHECKPOINT = record(
    {
        "name": OBJECT_NAME,
        "uri": text(GREATEST),
        "sha256": text(64, 64, SHA256),
        "size": whole(),
    },
    {"step": maybe(whole()), "epoch": maybe(whole()), "metrics": maybe(record({}, {}))},
)
ARTIFACT = record(
    {"name": OBJECT_NAME, "uri": text(GREATEST)},
    {"sha256": maybe(text(64, 64, SHA256)), "size": maybe(whole())},
)
DONE = record(
    {"outcome": one_of("succeeded", "failed")},
    {
        "errorClass": maybe(one_of("transient", "permanent", "user")),
        "exitCode": maybe(whole(-(2**31), 2**31 - 1)),
        "message": maybe(text(10_000)),
        "mlflowRunId": maybe(text(200)),
        "metrics": METRICS,
        "artifacts": each(ARTIFACT, 1000),
    },
)
PUT = record(
    {"name": OBJECT_NAME, "size": whole(0, LARGEST_OBJECT)},
    {"uploadId": maybe(text(1024, 1)), "sha256": maybe(text(GREATEST))},
)
ADDRESSES = record({}, {"puts": each(PUT, 100), "gets": each(OBJECT_NAME, 100)})
CLOUD_EVENT = record(
    {name: text(GREATEST) for name in ("specversion", "id", "source", "type")} | {"data": anything},
    {},
)


def _refuse(path: str, reason: str) -> NoReturn:
    raise Refusal.of_field(path, reason)


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _kind(value: Any) -> str:
    kinds = {dict: "object", list: "array", type(None): "null"}
    return kinds.get(type(value), type(value).__name__)


def _no_number(literal: str) -> NoReturn:
    raise ValueError(literal)
