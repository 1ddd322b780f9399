"""One poll of the database for all who watch something; none while nobody does."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from common import answers

LONGEST_PAUSE = 5.0


class Poll:
    """Calls `read` every `interval` seconds for as long as it answers that somebody watches, and
    rests `ease` times as long as it took, so that what is slow is asked less often."""

    def __init__(self, read: Callable[[], Awaitable[bool]], interval: float, ease: int) -> None:
        self._read = read
        self._interval = interval
        self._ease = ease
        self._task: asyncio.Task[None] | None = None
        self._soon = asyncio.Event()

    def start(self) -> None:
        """Somebody came: reads at once."""
        self._soon.set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            self._soon.clear()
            began = loop.time()
            try:
                if not await self._read():
                    return
                failures = 0
            except Exception as wrong:  # noqa: BLE001 - the boundary
                answers.log(wrong)
                failures += 1
            pause = max(self._interval, self._ease * (loop.time() - began))
            await self._sleep(min(pause * 2 ** min(failures, 5), LONGEST_PAUSE), failures == 0)

    async def _sleep(self, seconds: float, wakeable: bool) -> None:
        if not wakeable:
            await asyncio.sleep(seconds)
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._soon.wait()
