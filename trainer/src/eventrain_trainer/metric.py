"""What may be a metric: a number, and on the wire `"NaN"`, `"Infinity"` or `"-Infinity"`."""

import math
import time
from typing import Any, NamedTuple

NAME_LIMIT = 200
LARGEST_COUNT = 2**63 - 1


class Point(NamedTuple):
    name: str
    value: float
    step: int
    time: float


class NotAMetric(Exception):
    """This name or value cannot be a metric."""


def number(name: object, value: object) -> float:
    """Takes whatever has a float in it (numpy, torch); text is refused, even if it spells one."""
    if not isinstance(name, str) or not 0 < len(name) <= NAME_LIMIT or not name.isprintable():
        raise NotAMetric(f"a metric's name is text of 1 to {NAME_LIMIT} printable characters")
    if isinstance(value, str | bytes | bytearray):
        raise NotAMetric(f"{name} is text, not a number")
    try:
        return float(value)  # pyright: ignore[reportArgumentType]
    except OverflowError:
        return math.inf if value > 0 else -math.inf  # pyright: ignore[reportOperatorIssue]
    except Exception as error:
        raise NotAMetric(f"{name} is a {type(value).__name__}, not a number") from error


def count(value: Any) -> int:
    whole = int(value)
    if not 0 <= whole <= LARGEST_COUNT:
        raise ValueError(f"{value} is no count")
    return whole


def on_wire(value: float) -> float | str:
    if math.isfinite(value):
        return value
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def point_on_wire(point: Point) -> dict[str, object]:
    return {
        "name": point.name,
        "value": on_wire(point.value),
        "step": point.step,
        "time": timestamp(point.time),
    }


def timestamp(seconds: float) -> str:
    """To the nearest millisecond, which is exact for a time that was given in these."""
    whole, thousandths = divmod(round(seconds * 1000), 1000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(whole))}.{thousandths:03d}Z"
