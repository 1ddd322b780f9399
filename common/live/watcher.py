"""One watcher's messages that wait for it, bounded."""

import asyncio
from collections import deque

from common.live.message import Message

MOST_MESSAGES = 256
# Several times what one poll tells of one job.
MOST_BYTES = 512 << 10


class Watcher:
    """Whoever reads too slowly is ended rather than waited for: it comes back and is told the
    rest from where it stood."""

    def __init__(self) -> None:
        self._waiting: deque[Message] = deque()
        self._bytes = 0
        self._ended = False
        self._news = asyncio.Event()

    @property
    def ended(self) -> bool:
        return self._ended

    def offer(self, message: Message) -> None:
        """Never waits. A message that finds no room ends the watcher."""
        size = self._bytes + len(message.data)
        if self._waiting and (size > MOST_BYTES or len(self._waiting) >= MOST_MESSAGES):
            self.end()
        if not self._ended:
            self._waiting.append(message)
            self._bytes = size
            self._news.set()

    def end(self) -> None:
        self._ended = True
        self._waiting.clear()
        self._news.set()

    async def next(self, before: float) -> Message | None:
        """The next message, in order; None at the end. Raises TimeoutError when there is none
        before this time of the loop."""
        while not self._waiting:
            if self._ended:
                return None
            self._news.clear()
            async with asyncio.timeout_at(before):
                await self._news.wait()
        message = self._waiting.popleft()
        self._bytes -= len(message.data)
        return message
