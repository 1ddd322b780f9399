"""What the training said and nobody has heard yet: latest values, and points bounded in bytes.

Past the bound the oldest half of the points is thinned: of every two points of a name one goes,
but not its lowest, its highest, or one that is not finite. Where that frees too little, the oldest
go whatever they are: room is made for many calls at once. The latest values always stay.
"""

import math
import threading
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

from eventrain_trainer.metric import Point

POINT_OVERHEAD = 200
LATEST_METRICS = 1000
MOST_AFTER_THINNING = 0.8


class Spool:
    def __init__(self, limit_bytes: int) -> None:
        self._limit = max(limit_bytes, POINT_OVERHEAD)
        self._lock = threading.Lock()
        self._points: deque[Point] = deque()
        self._bytes = 0
        self._latest: dict[str, Any] = {}
        self._metrics: dict[str, float] = {}
        self.thinned = 0

    def __len__(self) -> int:
        return len(self._points)

    def observe(self, latest: Mapping[str, Any], points: Iterable[Point]) -> None:
        with self._lock:
            self._latest.update(latest)
            for point in points:
                self._points.append(point)
                self._bytes += POINT_OVERHEAD + len(point.name)
                if point.name in self._metrics or len(self._metrics) < LATEST_METRICS:
                    self._metrics[point.name] = point.value
            if self._bytes > self._limit:
                self._thin()

    def latest(self) -> dict[str, Any]:
        """The newest of each value that is no metric: epoch, step, progress, message."""
        with self._lock:
            return dict(self._latest)

    def metrics(self) -> dict[str, float]:
        with self._lock:
            return dict(self._metrics)

    def take(self, most: int) -> list[Point]:
        """Oldest first; what is taken is the taker's to deliver."""
        with self._lock:
            taken = [self._points.popleft() for _ in range(min(most, len(self._points)))]
            self._bytes -= sum(POINT_OVERHEAD + len(point.name) for point in taken)
            return taken

    def _thin(self) -> None:
        before = len(self._points)
        points = list(self._points)
        middle = (len(points) + 1) // 2
        kept = _every_second(points[:middle])
        self._points = deque(kept + points[middle:])
        self._bytes = sum(POINT_OVERHEAD + len(point.name) for point in self._points)
        while self._bytes > self._limit * MOST_AFTER_THINNING and self._points:
            self._bytes -= POINT_OVERHEAD + len(self._points.popleft().name)
        self.thinned += before - len(self._points)


def _every_second(points: list[Point]) -> list[Point]:
    lowest: dict[str, Point] = {}
    highest: dict[str, Point] = {}
    for point in points:
        if point.value < lowest.setdefault(point.name, point).value:
            lowest[point.name] = point
        if point.value > highest.setdefault(point.name, point).value:
            highest[point.name] = point
    extremes = {id(point) for found in (lowest, highest) for point in found.values()}
    turns: dict[str, int] = {}
    kept: list[Point] = []
    for point in points:
        turn = turns[point.name] = turns.get(point.name, 0) + 1
        if turn % 2 or id(point) in extremes or not math.isfinite(point.value):
            kept.append(point)
    return kept
