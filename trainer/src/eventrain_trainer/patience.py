"""How long to wait before the next try, when to stop trying, and when to let others go first."""

import os
import random
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")

AT_ONE_GO = 50
BREATH = 0.0005


def with_breaks(items: Iterable[T]) -> Iterator[T]:
    """The items, with a rest after so many: a thread that works on without one keeps the
    interpreter for 5 ms from the training, which may just be telling us something."""
    for number, item in enumerate(items, 1):
        yield item
        if number % AT_ONE_GO == 0:
            time.sleep(BREATH)


def let_training_go_first() -> None:
    """From now on this thread takes no core from one that runs, where the system knows how."""
    if sys.platform == "linux":
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


class Backoff:
    """Doubles from `first` to `most`, each wait spread by a fifth; a server's wish comes first."""

    def __init__(self, first: float, most: float, spread: Callable[[], float] = random.random):
        self._first, self._most, self._spread = first, most, spread
        self._tries = 0

    def reset(self) -> None:
        self._tries = 0

    def next(self, wished: float | None = None) -> float:
        wait = min(self._first * 2.0 ** min(self._tries, 30), self._most)
        self._tries += 1
        if wished is not None:
            wait = max(wait, min(wished, self._most))
        return wait * (0.8 + 0.4 * self._spread())


class Deadline:
    """A point in time that starts out as never and may only come nearer."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._at = float("inf")
        self._moved = threading.Condition()

    def within(self, seconds: float) -> None:
        with self._moved:
            self._at = min(self._at, self._clock() + seconds)
            self._moved.notify_all()

    @property
    def left(self) -> float:
        return self._at - self._clock()

    @property
    def over(self) -> bool:
        return self.left <= 0

    def pause(self, seconds: float) -> bool:
        """Waits; False when the deadline came first."""
        until = self._clock() + seconds
        with self._moved:
            while (rest := min(until, self._at) - self._clock()) > 0:
                self._moved.wait(rest)
        return not self.over


class Patience:
    """Lasts as long as something comes, and so many seconds beyond."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._clock = seconds, clock
        self._since = clock()

    def renew(self) -> None:
        self._since = self._clock()

    def pause(self, seconds: float) -> bool:
        """Waits; False when it has come to its end."""
        left = self._since + self._seconds - self._clock()
        time.sleep(max(0.0, min(seconds, left)))
        return self._since + self._seconds > self._clock()
