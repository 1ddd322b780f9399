"""What the training said and nobody has heard yet: latest values, and points bounded in bytes.

Past the bound the oldest points are thinned, a stretch at a time, since the training waits
meanwhile: of every two points of a name one goes, but not one that is not finite, nor the lowest
and the highest of a name that is there often. Where that frees too little, the oldest stretch goes
whatever it holds. Round after round reaches up to the newer half. The latest values always stay.
"""

import math
import threading
from array import array
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from eventrain_trainer.metric import Point
from eventrain_trainer.patience import with_breaks

POINT_OVERHEAD = 200
LATEST_METRICS = 1000
STRETCH = 64
OFTEN = 4
MOST_AFTER_THINNING = 0.8


class Stretch:
    """Points one after the other, in columns: an array holds no objects, so that the garbage
    collector neither counts what waits here nor walks through it while the training stands still.
    """

    __slots__ = ("names", "steps", "times", "values")

    def __init__(self) -> None:
        self.names: list[str] = []
        self.values = array("d")
        self.steps = array("q")
        self.times = array("d")

    def __len__(self) -> int:
        return len(self.names)

    @property
    def weight(self) -> int:
        return POINT_OVERHEAD * len(self.names) + sum(map(len, self.names))

    def points(self) -> Iterator[Point]:
        return map(Point, self.names, self.values, self.steps, self.times)

    def add(self, point: Point) -> None:
        self.names.append(point.name)
        self.values.append(point.value)
        self.steps.append(point.step)
        self.times.append(point.time)

    def extend(self, other: "Stretch") -> None:
        self.names += other.names
        self.values += other.values
        self.steps += other.steps
        self.times += other.times

    def cut(self, count: int) -> "Stretch":
        """The first so many, which are here no more."""
        first = Stretch()
        first.names, self.names = self.names[:count], self.names[count:]
        first.values, self.values = self.values[:count], self.values[count:]
        first.steps, self.steps = self.steps[:count], self.steps[count:]
        first.times, self.times = self.times[:count], self.times[count:]
        return first

    def only(self, places: Iterable[int]) -> "Stretch":
        kept = Stretch()
        for place in places:
            kept.names.append(self.names[place])
            kept.values.append(self.values[place])
            kept.steps.append(self.steps[place])
            kept.times.append(self.times[place])
        return kept


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
        taken = Stretch()
        with self._lock:
            while len(taken) < most and (stretches := self._thinned or self._whole):
                taken.extend(stretches[0].cut(most - len(taken)))
                if not len(stretches[0]):
                    stretches.popleft()
            self._count -= len(taken)
            self._bytes -= taken.weight
        return list(with_breaks(taken.points()))

    def _hold(self, point: Point) -> None:
        if not self._whole or len(self._whole[-1]) >= self._stretch:
            self._whole.append(Stretch())
        self._whole[-1].add(point)
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
        kept = stretch.only(_every_second(stretch, self._turns))
        self._thinned.append(kept)
        gone = len(stretch) - len(kept)
        self._bytes -= stretch.weight - kept.weight
        if len(kept) > len(stretch) * MOST_AFTER_THINNING:
            oldest = self._thinned.popleft()
            self._bytes -= oldest.weight
            gone += len(oldest)
        self._count -= gone
        self.thinned += gone


def _every_second(stretch: Stretch, turns: dict[str, int]) -> Iterator[int]:
    """Where those lie that stay."""
    telling = _extremes(stretch)
    for place, (name, value) in enumerate(zip(stretch.names, stretch.values, strict=True)):
        # Names begin by turns: where each of many comes but once, half of them go.
        turn = turns[name] = turns.get(name, len(turns)) + 1
        if turn % 2 or place in telling or not math.isfinite(value):
            yield place


def _extremes(stretch: Stretch) -> set[int]:
    places: dict[str, list[int]] = {}
    for place, name in enumerate(stretch.names):
        places.setdefault(name, []).append(place)
    return {
        extreme(same, key=stretch.values.__getitem__)
        for same in places.values()
        if len(same) >= OFTEN
        for extreme in (min, max)
    }
