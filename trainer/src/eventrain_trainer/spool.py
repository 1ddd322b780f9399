"""What the training said and nobody has heard yet: latest values, and points bounded in bytes.

Past the bound the oldest points are thinned, a stretch at a time, since the training waits
meanwhile: of every two points of a name one goes, but not one that is not finite, nor the lowest
and the highest of a name that is there often. Where that frees too little, the oldest stretch goes
whatever it holds. Round after round reaches up to the newer half. The latest values always stay.
"""

import math
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any

from eventrain_trainer.metric import Point
from eventrain_trainer.patience import with_breaks
from eventrain_trainer.stretch import (
    POINT_OVERHEAD,
    Row,
    Stretch,
    count,
    rows,
    weight,
    weight_of,
)

LATEST_METRICS = 1000
STRETCH = 32
OFTEN = 4
MOST_AFTER_THINNING = 0.8


class Spool:
    def __init__(self, limit_bytes: int) -> None:
        self._limit = max(limit_bytes, POINT_OVERHEAD)
        self._stretch = max(1, min(STRETCH, self._limit // POINT_OVERHEAD // 4))
        self._lock = threading.Lock()
        self._thinned: deque[bytes] = deque()
        """What this round has been through; all of it is older than what follows."""
        self._whole: deque[bytes] = deque()
        self._newest = Stretch()
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
        taken: list[bytes] = []
        with self._lock:
            while most > 0 and (oldest := self._oldest()):
                if count(oldest) > most:
                    both = list(rows(oldest))
                    self._give_back(both[most:])
                    oldest = bytes(Stretch(both[:most]))
                taken.append(oldest)
                most -= count(oldest)
        left = chain.from_iterable(map(rows, taken))
        return [Point._make(row) for row in with_breaks(left)]

    def take_stretches(self, most: int) -> list[bytes]:
        """So many of the oldest, as they lie there: it takes next to no time, however busy the
        training is."""
        taken: list[bytes] = []
        with self._lock:
            while len(taken) < most and (oldest := self._oldest()):
                taken.append(oldest)
        return taken

    def _oldest(self) -> bytes:
        if not self._thinned and not self._whole:
            self._close_newest()
        stretches = self._thinned or self._whole
        return self._without(stretches.popleft()) if stretches else b""

    def _without(self, stretch: bytes) -> bytes:
        self._count -= count(stretch)
        self._bytes -= weight(stretch)
        return stretch

    def _give_back(self, left: Iterable[Row]) -> None:
        stretch = bytes(Stretch(left))
        (self._thinned or self._whole).appendleft(stretch)
        self._count += count(stretch)
        self._bytes += weight(stretch)

    def _hold(self, point: Point) -> None:
        self._newest.add(*point)
        self._count += 1
        self._bytes += weight_of(point.name)
        if len(self._newest) >= self._stretch:
            self._close_newest()

    def _close_newest(self) -> None:
        if len(self._newest):
            self._whole.append(bytes(self._newest))
            self._newest = Stretch()

    def _make_room(self) -> None:
        if len(self._thinned) >= len(self._whole):
            self._thinned.extend(self._whole)
            self._whole, self._thinned = self._thinned, deque()
            self._turns.clear()
        if not self._whole:
            self._close_newest()
        before = self._count
        old = list(rows(self._without(self._whole.popleft())))
        while self._whole and len(old) + count(self._whole[0]) <= self._stretch:
            old += rows(self._without(self._whole.popleft()))
        kept = bytes(Stretch(_every_second(old, self._turns)))
        self._thinned.append(kept)
        self._count += count(kept)
        self._bytes += weight(kept)
        if count(kept) > len(old) * MOST_AFTER_THINNING:
            self._without(self._thinned.popleft())
        self.thinned += before - self._count


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


_value = itemgetter(1)
