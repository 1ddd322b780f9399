"""The course of a metric as a small picture of characters, four dots high and two wide each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from eventrain_client.replies import Point

from infra.cli import words

# The bits of a character of dots, by row and column.
DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
BLANK = 0x2800
# What takes less has no room for an axis.
NARROWEST = 24
NOT_A_NUMBER = "×"
ABOVE, BELOW = "▲", "▼"


@dataclass(frozen=True, slots=True)
class Course:
    """A metric's values by their place: the step, or the order where none was told."""

    finite: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    marks: list[tuple[float, str]] = field(default_factory=list[tuple[float, str]])

    @property
    def span(self) -> tuple[float, float]:
        places = [place for place, _ in (*self.finite, *self.marks)]
        return min(places), max(places)

    @property
    def range(self) -> tuple[float, float]:
        values = [value for _, value in self.finite]
        return min(values), max(values)


def read_course(points: Sequence[Point]) -> Course:
    course = Course()
    steps = all(point["step"] is not None for point in points)
    for number, point in enumerate(points):
        place = float(point["step"] or 0) if steps else float(number)
        value = float(point["value"])
        if math.isfinite(value):
            course.finite.append((place, value))
        else:
            mark = NOT_A_NUMBER if math.isnan(value) else ABOVE if value > 0 else BELOW
            course.marks.append((place, mark))
    return course


def draw(points: Sequence[Point], width: int, height: int = 8) -> list[str]:
    """Lines no wider than that. Without room for a picture, or a number to draw, only words."""
    course = read_course(points)
    if not points:
        return []
    if not course.finite or width < NARROWEST:
        return [_in_words(course)[: max(width, 0)]]
    low, high = course.range
    labels = [words.number(high), words.number(low)]
    margin = max(map(len, labels)) + 1
    across = width - margin - 1
    rows = _dots(course, across, height)
    lines = [_labelled(row, number, height, labels, margin) for number, row in enumerate(rows)]
    lines.append(" " * margin + "└" + _marks(course, across))
    lines.append(" " * (margin + 1) + _steps(course, across))
    return [line.rstrip() for line in lines]


def caption(points: Sequence[Point]) -> str:
    """What the picture cannot say: the last value, the extremes, and what is no number."""
    course = read_course(points)
    said = [f"last {words.number(points[-1]['value'])}"] if points else []
    if course.finite:
        (least, low), (most, high) = _extremes(course)
        said += [f"lowest {words.number(low)} at {least:g}"]
        said += [f"highest {words.number(high)} at {most:g}"]
    names = {NOT_A_NUMBER: "NaN", ABOVE: "infinite", BELOW: "minus infinite"}
    for mark, name in names.items():
        count = sum(1 for _, each in course.marks if each == mark)
        said += [f"{mark} {count} {name}"] if count else []
    return ", ".join(said)


def _extremes(course: Course) -> tuple[tuple[float, float], tuple[float, float]]:
    by_value = sorted(course.finite, key=lambda each: each[1])
    return by_value[0], by_value[-1]


def _in_words(course: Course) -> str:
    values = [value for _, value in course.finite]
    drawn = words.sparkline(list(values), 12) if values else ""
    last = words.number(values[-1]) if values else "no finite value"
    marks = "".join(dict.fromkeys(mark for _, mark in course.marks))
    return " ".join(part for part in (last, drawn, marks) if part)


def _dots(course: Course, across: int, height: int) -> list[str]:
    grid = [[BLANK] * across for _ in range(height)]
    gaps = sorted(place for place, _ in course.marks)
    before: tuple[int, int] | None = None
    at = -math.inf
    for place, value in sorted(course.finite):
        if any(at < gap < place for gap in gaps):
            before = None
        at = place
        column = _column(course, place, across * 2)
        row = _row(course, value, height * 4)
        for x, y in _line(before or (column, row), (column, row)):
            grid[y // 4][x // 2] |= DOTS[y % 4][x % 2]
        before = column, row
    return ["".join(" " if code == BLANK else chr(code) for code in row) for row in grid]


def _line(start: tuple[int, int], end: tuple[int, int]) -> list[tuple[int, int]]:
    length = max(abs(end[0] - start[0]), abs(end[1] - start[1]), 1)
    return [
        (
            round(start[0] + (end[0] - start[0]) * part / length),
            round(start[1] + (end[1] - start[1]) * part / length),
        )
        for part in range(length + 1)
    ]


def _column(course: Course, place: float, columns: int) -> int:
    first, last = course.span
    return 0 if last == first else round((place - first) / (last - first) * (columns - 1))


def _row(course: Course, value: float, rows: int) -> int:
    """From the top. Halves keep the span of two finite numbers finite."""
    low, high = course.range
    if high == low:
        return rows // 2
    return round((high / 2 - value / 2) / (high / 2 - low / 2) * (rows - 1))


def _labelled(row: str, number: int, height: int, labels: list[str], margin: int) -> str:
    high, low = labels
    if high == low:
        label = high if number == height // 2 else ""
    else:
        label = {0: high, height - 1: low}.get(number, "")
    return f"{label:>{margin - 1}} {'┤' if label else '│'}{row}"


def _marks(course: Course, across: int) -> str:
    """The axis, with a mark where a value was no finite number."""
    axis = ["─"] * across
    for place, mark in course.marks:
        axis[_column(course, place, across)] = mark
    return "".join(axis)


def _steps(course: Course, across: int) -> str:
    first, last = (f"{place:g}" for place in course.span)
    if first == last:
        return first
    return first + last.rjust(across - len(first)) if across > len(first) + len(last) else first
