"""The outline of a series: what one sees of it from afar, in a bounded number of points.

A series is cut into buckets of as many points each, a power of two, counted from its first point.
Of a bucket the first and the last point are kept, the least and the greatest value, and the first
NaN and the first infinity of either sign: nothing that stands out is ever lost. What is kept of two
buckets together is what is kept of what is kept of each, so that an outline can be drawn further
as points arrive, and coarser, without the points themselves.
"""

import math
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

import msgspec

BUCKETS = 512


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
        marks = [*self.marks]
        count = self.count
        for step, time, value in points:
            marks.append(Mark(count, step, time, value))
            count += 1
        width = self.width
        while count > width * BUCKETS:
            width *= 2
        return Outline(count, width, _kept(marks, width))

    def thinned(self, most: int, since: int | None = None) -> list[Mark]:
        """At most so many marks, of those from an instant on."""
        marks = self.marks if since is None else [m for m in self.marks if m.time >= since]
        width = self.width
        while len(marks) > most and width < self.count:
            width *= 2
            marks = _kept(marks, width)
        return marks if len(marks) <= most else sorted(_by_weight(marks)[:most])


def encode(outline: Outline) -> bytes:
    return msgspec.msgpack.encode(outline)


def decode(content: bytes) -> Outline:
    return _DECODER.decode(content)


_DECODER = msgspec.msgpack.Decoder(Outline)


def _kept(marks: list[Mark], width: int) -> list[Mark]:
    kept: list[Mark] = []
    for _, bucket in groupby(marks, lambda mark: mark.number // width):
        kept += sorted(set(_by_weight(list(bucket))), key=itemgetter(0))
    return kept


def _by_weight(bucket: list[Mark]) -> list[Mark]:
    """What is kept of a bucket, what matters most first; each but once."""
    return list(dict.fromkeys(_outstanding(bucket)))


def _outstanding(bucket: list[Mark]) -> Iterator[Mark]:
    finite = [mark for mark in bucket if math.isfinite(mark.value)]
    yield bucket[-1]
    if finite:
        yield min(finite, key=itemgetter(3))
        yield max(finite, key=itemgetter(3))
    for odd in (math.isnan, math.inf.__eq__, (-math.inf).__eq__):
        yield from [mark for mark in bucket if odd(mark.value)][:1]
    yield bucket[0]
