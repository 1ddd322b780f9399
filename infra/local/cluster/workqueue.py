"""Keys that somebody has to look at, each at most once in the queue, now or later."""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

from infra.local.cluster.log import log_failure

K = TypeVar("K")


class WorkQueue(Generic[K]):
    """Calls `look` with each key, one at a time; what it answers is when to look again."""

    def __init__(self, look: Callable[[K], float | None]) -> None:
        self._look = look
        self._due: dict[K, None] = {}
        self._timers: dict[K, asyncio.TimerHandle] = {}
        self._wake = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def add(self, key: K) -> None:
        """From any thread."""
        self._loop.call_soon_threadsafe(self._add, key)

    async def run(self) -> None:
        try:
            while True:
                await self._wake.wait()
                self._take_next()
                await asyncio.sleep(0)
        finally:
            for timer in self._timers.values():
                timer.cancel()

    def _add(self, key: K) -> None:
        self._due[key] = None
        self._wake.set()

    def _take_next(self) -> None:
        if not self._due:
            self._wake.clear()
            return
        key = next(iter(self._due))
        del self._due[key]
        if timer := self._timers.pop(key, None):
            timer.cancel()
        try:
            again = self._look(key)
        except Exception as error:  # noqa: BLE001 - one bad object must not stop the others
            log_failure(f"looking at {key}", error)
            again = 5.0
        if again is not None:
            self._timers[key] = self._loop.call_later(max(again, 0), self._add, key)
