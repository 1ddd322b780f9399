"""What the training said and nobody has heard yet: latest values, and points bounded in bytes.

Past the bound the oldest points are thinned, a stretch at a time, since the training waits
meanwhile: of every two points of a name one goes, but not one that is not finite, nor the lowest
and the highest of a name that is there often. Where that frees too little, the oldest stretch goes
whatever it holds. Round after round reaches up to the newer half. The latest values always stay.
"""

import math
import struct
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from eventrain_trainer.metric import Point
from eventrain_trainer.patience import with_breaks

POINT_OVERHEAD = 200
LATEST_METRICS = 1000
STRETCH = 64
OFTEN = 4
MOST_AFTER_THINNING = 0.8
# A name by its number, value, step, time.
RECORD = struct.Struct("=Hdqd")

Row = tuple[str, float, int, float]


class Stretch:
    """Points one after the other, as bytes: the garbage collector, which would count what waits
    here and walk through it while the training stands still, knows neither of bytes nor of a
    dictionary of plain values."""

    __slots__ = ("numbers", "packed")

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        self.numbers: dict[str, int] = {}
        self.packed = bytearray()
        for row in rows:
            self.add(*row)

    def __len__(self) -> int:
        return len(self.packed) // RECORD.size

    @property
    def weight(self) -> int:
        return sum(POINT_OVERHEAD + len(name) for name, _, _, _ in self.rows())

    def rows(self) -> Iterator[Row]:
        names = list(self.numbers)
        for number, value, step, time in RECORD.iter_unpack(self.packed):
            yield names[number], value, step, time

    def add(self, name: str, value: float, step: int, time: float) -> None:
        number = self.numbers.setdefault(name, len(self.numbers))
        self.packed += RECORD.pack(number, value, step, time)

    def extend(self, other: "Stretch") -> None:
        for row in other.rows():
            self.add(*row)


class Spool:
    def __init__(self, limit_bytes: int) -> None:
        self._limit = max(limit_bytes, POINT_OVERHEAD)
        self._stretch = max(1, min(STRETCH, self._limit // POINT_OVERHEAD // 4))
        self._lock = threading.Lock()
        self._thinned: deque[Stretch] = deque()
        """What this round has been through; all of it is older than what follows."""
        self._whole: deque[Stretch] = deque()
        self._count = 0
        self._bytes = 0
        self._turns: dict[str, int] = {}
        self._latest: dict[str, Any] = {}
        self._metrics: dict[str, float] = {}
        self.thinned = 0

    def __len__(self) -> int:
        return self._count

    def observe(self, latest: Mapping[str, Any], points: Iterable[Point]) -> None:
        with self._lock:
            self._latest.update(latest)
            for point in points:
                self._hold(point)
                if point.name in self._metrics or len(self._metrics) < LATEST_METRICS:
                    self._metrics[point.name] = point.value
            while self._bytes > self._limit and self._count:
                self._make_room()

    def forget(self, name: str) -> None:
        """The newest of this holds no more."""
        with self._lock:
            self._latest.pop(name, None)

    def latest(self) -> dict[str, Any]:
        """The newest of each value that is no metric: epoch, step, progress, message."""
        with self._lock:
            return dict(self._latest)

    def metrics(self) -> dict[str, float]:
        with self._lock:
            return dict(self._metrics)

    def take(self, most: int) -> list[Point]:
        """Oldest first; what is taken is the taker's to deliver."""
        taken: list[Stretch] = []
        with self._lock:
            while most > 0 and (stretches := self._thinned or self._whole):
                oldest = stretches.popleft()
                if len(oldest) > most:
                    rows = list(oldest.rows())
                    stretches.appendleft(Stretch(rows[most:]))
                    oldest = Stretch(rows[:most])
                taken.append(oldest)
                most -= len(oldest)
                self._count -= len(oldest)
                self._bytes -= oldest.weight
        left = chain.from_iterable(stretch.rows() for stretch in taken)
        return [Point._make(row) for row in with_breaks(left)]

    def _hold(self, point: Point) -> None:
        if not self._whole or len(self._whole[-1]) >= self._stretch:
            self._whole.append(Stretch())
        self._whole[-1].add(*point)
        self._count += 1
        self._bytes += POINT_OVERHEAD + len(point.name)

    def _make_room(self) -> None:
        if len(self._thinned) >= len(self._whole):
            self._thinned.extend(self._whole)
            self._whole, self._thinned = self._thinned, deque()
            self._turns.clear()
        stretch = self._whole.popleft()
        while self._whole and len(stretch) + len(self._whole[0]) <= self._stretch:
            stretch.extend(self._whole.popleft())
        kept = Stretch(_every_second(list(stretch.rows()), self._turns))
        self._thinned.append(kept)
        gone = len(stretch) - len(kept)
        self._bytes -= stretch.weight - kept.weight
        if len(kept) > len(stretch) * MOST_AFTER_THINNING:
            oldest = self._thinned.popleft()
            self._bytes -= oldest.weight
            gone += len(oldest)
        self._count -= gone
        self.thinned += gone


def _every_second(rows: Sequence[Row], turns: dict[str, int]) -> Iterator[Row]:
    telling = _extremes(rows)
    for row in rows:
        name, value = row[0], row[1]
        # Names begin by turns: where each of many comes but once, half of them go.
        turn = turns[name] = turns.get(name, len(turns)) + 1
        if turn % 2 or id(row) in telling or not math.isfinite(value):
            yield row


def _extremes(rows: Sequence[Row]) -> set[int]:
    by_name: dict[str, list[Row]] = {}
    for row in rows:
        by_name.setdefault(row[0], []).append(row)
    return {
        id(extreme(same, key=_value))
        for same in by_name.values()
        if len(same) >= OFTEN
        for extreme in (min, max)
    }


def _value(row: Row) -> float:
    return row[1]
