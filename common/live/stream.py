"""The streams themselves: what a watcher is sent, from the first piece to the last."""

import asyncio
import random
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from common.errors import Unavailable
from common.jobs.reading import Filter
from common.jobs.state import TERMINAL
from common.live.jobs import WatchedJobs
from common.live.lists import WatchedLists
from common.live.message import PULSE, Message, frame, retry, tell
from common.live.news import Row, Stand
from common.live.place import Place
from common.live.watcher import Watcher

MOST_WATCHERS = 1000
PULSE_SECONDS = 15.0
# At random, so that those who were cut together do not come back together.
RETRY_MILLISECONDS = (500, 2500)
EARLIER = 0.1
# A job is told of for a while after its end: it is registered, a spool is emptied.
OVER = timedelta(minutes=5)
OVER_RETRY_MILLISECONDS = 60_000


@dataclass
class Streams:
    """All that this process serves. A stream lasts `lasting`, at random a tenth less, or until
    what the caller showed expires; then it ends between two messages."""

    jobs: WatchedJobs
    lists: WatchedLists
    lasting: timedelta
    now: Callable[[], datetime]
    _watchers: set[Watcher] = field(default_factory=set[Watcher])
    _closing: bool = False

    def drain(self) -> None:
        """Ends every stream; whoever watches goes on elsewhere."""
        self._closing = True
        for watcher in tuple(self._watchers):
            watcher.end()

    async def close(self) -> None:
        await self.jobs.close()
        await self.lists.close()

    def check_room(self) -> None:
        """Before a stream is opened. Raises Unavailable."""
        if self._closing or len(self._watchers) >= MOST_WATCHERS or self.lists.full:
            raise Unavailable("Too many streams are open here.", retry_after=1)

    async def of_job(self, row: Row, place: Place, until: datetime | None) -> AsyncGenerator[bytes]:
        """The job as it stands, what it told since the place, and what it tells from now on."""
        watcher, stand = self._admit(), Stand(row["id"], place)
        end = self._end(until)
        try:
            yield _hello() + frame(self.jobs.show(row), place)
            more = True
            while more and not watcher.ended:
                news = await self.jobs.catch_up(stand, row)
                for each in news.messages:
                    place = each.move(place) or place
                    yield frame(each, place)
                place, more = news.place, news.more
                stand = Stand(stand.job_id, place, stand.told)
            if self._is_over(row):
                yield retry(OVER_RETRY_MILLISECONDS) + frame(_last("over"))
                return
            self.jobs.join(watcher, stand, row)
            async for piece in _follow(watcher, end, place):
                yield piece
            if _expired(until, self.now()):
                yield frame(_last("expired"))
        finally:
            self.jobs.leave(watcher, stand.job_id)
            self._watchers.discard(watcher)

    async def of_list(
        self, wanted: Filter, size: int, until: datetime | None
    ) -> AsyncGenerator[bytes]:
        """The list's first page, and what changes in it."""
        watcher = self._admit()
        end = self._end(until)
        key = self.lists.join(watcher, wanted, size)
        try:
            yield _hello()
            async for piece in _follow(watcher, end, None):
                yield piece
            if _expired(until, self.now()):
                yield frame(_last("expired"))
        finally:
            self.lists.leave(watcher, key)
            self._watchers.discard(watcher)

    def _admit(self) -> Watcher:
        watcher = Watcher()
        self._watchers.add(watcher)
        if self._closing:
            watcher.end()
        return watcher

    def _end(self, until: datetime | None) -> float:
        seconds = self.lasting.total_seconds() * (1 - EARLIER * random.random())
        if until is not None:
            seconds = min(seconds, (until - self.now()).total_seconds())
        return asyncio.get_running_loop().time() + seconds

    def _is_over(self, row: Row) -> bool:
        ended = row["completed_at"]
        return row["status"] in TERMINAL and ended is not None and self.now() - ended > OVER


async def _follow(watcher: Watcher, end: float, place: Place | None) -> AsyncGenerator[bytes]:
    """Whatever is offered and not known yet, until the watcher is ended or the time is over."""
    loop = asyncio.get_running_loop()
    while loop.time() < end:
        try:
            message = await watcher.next(before=min(end, loop.time() + PULSE_SECONDS))
        except TimeoutError:
            yield PULSE
            continue
        if message is None:
            return
        if place is None:
            yield frame(message)
            continue
        moved = message.move(place)
        if moved is not None:
            place = moved
            yield frame(message, place)


def _hello() -> bytes:
    return retry(random.randint(*RETRY_MILLISECONDS))


def _last(reason: str) -> Message:
    return tell("end", {"reason": reason})


def _expired(until: datetime | None, now: datetime) -> bool:
    return until is not None and until <= now
