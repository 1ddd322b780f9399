"""What the training said and nobody has heard yet: latest values, and points bounded in bytes.

Past the bound the oldest points are thinned, a stretch at a time, since the training waits
meanwhile: of every two points of a name one goes, but not one that is not finite, nor the lowest
and the highest of a name that is there often. Where that frees too little, the oldest stretch goes
whatever it holds. Round after round reaches up to the newer half. The latest values always stay.
"""

import math
import threading
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

from eventrain_trainer.metric import Point
from eventrain_trainer.patience import with_breaks

POINT_OVERHEAD = 200
LATEST_METRICS = 1000
STRETCH = 64
OFTEN = 4
MOST_AFTER_THINNING = 0.8

# Not Points: of a plain tuple the garbage collector lets go at first sight, and so never walks
# through what waits here while the training stands still.
Held = tuple[str, float, int, float]


class Spool:
    def __init__(self, limit_bytes: int) -> None:
        self._limit = max(limit_bytes, POINT_OVERHEAD)
        self._stretch = max(1, min(STRETCH, self._limit // POINT_OVERHEAD // 4))
        self._lock = threading.Lock()
        self._thinned: deque[list[Held]] = deque()
        """What this round has been through; all of it is older than what follows."""
        self._whole: deque[list[Held]] = deque()
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
        taken: list[Held] = []
        with self._lock:
            while len(taken) < most and (stretches := self._thinned or self._whole):
                oldest, room = stretches[0], most - len(taken)
                taken += oldest[:room]
                del oldest[:room]
                if not oldest:
                    stretches.popleft()
            self._count -= len(taken)
            self._bytes -= _weight(taken)
        return [Point._make(held) for held in with_breaks(taken)]

    def _hold(self, point: Point) -> None:
        if not self._whole or len(self._whole[-1]) >= self._stretch:
            self._whole.append([])
        self._whole[-1].append((point.name, point.value, point.step, point.time))
        self._count += 1
        self._bytes += POINT_OVERHEAD + len(point.name)

    def _make_room(self) -> None:
        if len(self._thinned) >= len(self._whole):
            self._thinned.extend(self._whole)
            self._whole, self._thinned = self._thinned, deque()
            self._turns.clear()
        stretch = self._whole.popleft()
        while self._whole and len(stretch) + len(self._whole[0]) <= self._stretch:
            stretch += self._whole.popleft()
        kept = _every_second(stretch, self._turns)
        self._thinned.append(kept)
        gone = len(stretch) - len(kept)
        self._bytes -= _weight(stretch) - _weight(kept)
        if len(kept) > len(stretch) * MOST_AFTER_THINNING:
            oldest = self._thinned.popleft()
            self._bytes -= _weight(oldest)
            gone += len(oldest)
        self._count -= gone
        self.thinned += gone


def _weight(points: list[Held]) -> int:
    return POINT_OVERHEAD * len(points) + sum([len(point[0]) for point in points])


def _every_second(points: list[Held], turns: dict[str, int]) -> list[Held]:
    telling = _extremes(points)
    kept: list[Held] = []
    for point in points:
        name, value = point[0], point[1]
        # Names begin by turns: where each of many comes but once, half of them go.
        turn = turns[name] = turns.get(name, len(turns)) + 1
        if turn % 2 or id(point) in telling or not math.isfinite(value):
            kept.append(point)
    return kept


def _extremes(points: list[Held]) -> set[int]:
    by_name: dict[str, list[Held]] = {}
    for point in points:
        by_name.setdefault(point[0], []).append(point)
    return {
        id(extreme(same, key=_value))
        for same in by_name.values()
        if len(same) >= OFTEN
        for extreme in (min, max)
    }


def _value(point: Held) -> float:
    return point[1]
