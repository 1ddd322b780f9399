"""The outline of a series: what one sees of it from afar, in a bounded number of points.

A series is cut into buckets of as many points each, a power of two, counted from its first point.
Of a bucket the first and the last point are kept, the least and the greatest value, and the first
NaN and the first infinity of either sign: nothing that stands out is ever lost. What is kept of two
buckets together is what is kept of what is kept of each, so that an outline can be drawn further
as points arrive, and coarser, without the points themselves.
"""

import math
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

import msgspec

BUCKETS = 512

# As a Mark, which takes ten times as long to make: few of a million points become one.
Point = tuple[int, int | float | None, int, float]


class Mark(NamedTuple):
    """A point of a series: how many came before it, where the training was, when (in microseconds
    of Unix time), and the value."""

    number: int
    step: int | float | None
    time: int
    value: float


class Outline(msgspec.Struct, array_like=True, frozen=True):
    """Of how many points, in buckets of which width, and those that are kept."""

    count: int = 0
    width: int = 1
    marks: list[Mark] = []

    def extended(self, points: Iterable[tuple[int | float | None, int, float]]) -> "Outline":
        """With further points, each a step, a time and a value; the same whether they come at once
        or one by one."""
        told = [(number, *point) for number, point in enumerate(points, self.count)]
        count = self.count + len(told)
        width = self.width
        while count > width * BUCKETS:
            width *= 2
        return Outline(count, width, _kept([*self.marks, *told], width))

    def thinned(
        self,
        most: int,
        since: int | None = None,
        counts: Callable[[Mark], bool] = lambda mark: True,
    ) -> list[Mark]:
        """At most so many marks, of those from an instant on that count."""
        marks = [m for m in self.marks if (since is None or m.time >= since) and counts(m)]
        width = self.width
        while len(marks) > most and width < self.count:
            width *= 2
            marks = _kept(marks, width)
        return marks if len(marks) <= most else _heaviest(marks, most)


def encode(outline: Outline) -> bytes:
    return zlib.compress(msgspec.msgpack.encode(outline), 1)


def decode(content: bytes) -> Outline:
    return _DECODER.decode(zlib.decompress(content))


_DECODER = msgspec.msgpack.Decoder(Outline)


def _heaviest(marks: list[Mark], most: int) -> list[Mark]:
    return [Mark._make(point) for point in sorted(_by_weight(marks)[:most], key=itemgetter(0))]


def _kept(points: Sequence[Point], width: int) -> list[Mark]:
    kept: list[Mark] = []
    for _, bucket in groupby(points, lambda point: point[0] // width):
        kept += map(Mark._make, sorted(_by_weight(list(bucket)), key=itemgetter(0)))
    return kept


def _by_weight(bucket: Sequence[Point]) -> list[Point]:
    """What is kept of a bucket, what matters most first; each but once."""
    return list({point[0]: point for point in _outstanding(bucket)}.values())


def _outstanding(bucket: Sequence[Point]) -> Iterator[Point]:
    finite = [point for point in bucket if math.isfinite(point[3])]
    yield bucket[-1]
    if finite:
        yield min(finite, key=itemgetter(3))
        yield max(finite, key=itemgetter(3))
    if len(finite) < len(bucket):
        for odd in (math.isnan, math.inf.__eq__, (-math.inf).__eq__):
            yield from [point for point in bucket if odd(point[3])][:1]
    yield bucket[0]
