"""Delivering after the broker was answered: its ingress answers a publisher only once every
consumer has, and a receiver may be slow."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from uuid import UUID

from common.postgres import FAULTS
from common.webhooks.post import TOTAL

AT_ONCE = 4

_log = logging.getLogger(__name__)


class Courier:
    """Starts rounds, a few at once; what a round leaves undone stays due."""

    def __init__(self, go_round: Callable[[UUID | None], Awaitable[None]]) -> None:
        self._go_round = go_round
        self._gate = asyncio.Semaphore(AT_ONCE)
        self._under_way: set[asyncio.Task[None]] = set()

    def send_soon(self, job_id: UUID | None) -> None:
        """A round for the deliveries of one job, or for all that are due."""
        task = asyncio.create_task(self._send(job_id))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def close(self, grace: float = TOTAL + 2) -> None:
        """Waits for the tries under way."""
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=grace)

    async def _send(self, job_id: UUID | None) -> None:
        try:
            async with self._gate:
                await self._go_round(job_id)
        except FAULTS as wrong:
            _log.warning("deliveries stay due for now: %r", wrong)
