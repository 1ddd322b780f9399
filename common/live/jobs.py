"""Single jobs that are watched: one poll for all of them, in three statements however many."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from common.jobs.view import health, view
from common.live.message import Message, tell
from common.live.news import News, Row, Stand, read_changed, read_news
from common.live.place import Place
from common.live.poll import Poll
from common.live.watcher import Watcher

INTERVAL = 0.1


@dataclass
class _Topic:
    """One watched job: how far it was read for all, and its row as it was shown last."""

    stand: Stand
    row: Row
    health: str | None
    watchers: set[Watcher] = field(default_factory=set[Watcher])
    behind: bool = True

    def tell(self, messages: Sequence[Message]) -> None:
        for watcher in tuple(self.watchers):
            for message in messages:
                watcher.offer(message)


class WatchedJobs:
    def __init__(
        self, pool: asyncpg.Pool, interval: timedelta, now: Callable[[], datetime]
    ) -> None:
        self.pool = pool
        self._interval = interval
        self._now = now
        self._topics: dict[UUID, _Topic] = {}
        self._poll = Poll(self._read, INTERVAL, ease=1)

    async def find(self, job_id: UUID) -> Row | None:
        """The job's row."""
        return (await read_changed(self.pool, {job_id: None})).get(job_id)

    def show(self, row: Row) -> Message:
        """The job as it stands."""
        return tell("job", view(row, now=self._now(), interval=self._interval))

    async def catch_up(self, stand: Stand, row: Row) -> News:
        """Some of what this one watcher has missed."""
        return (await read_news(self.pool, [stand], {stand.job_id: row}))[stand.job_id]

    def join(self, watcher: Watcher, stand: Stand, row: Row) -> None:
        """From here on the watcher is offered all that lies beyond its place, and perhaps again
        what does not."""
        topic = self._topics.get(stand.job_id)
        if topic is None:
            topic = self._topics[stand.job_id] = _Topic(stand, row, self._health(row))
        place = topic.stand.place.common_with(stand.place)
        if place != topic.stand.place or row["version"] != topic.row["version"]:
            told = topic.stand.told | stand.told
            topic.stand, topic.behind = Stand(stand.job_id, place, told), True
        topic.watchers.add(watcher)
        self._poll.start()

    def leave(self, watcher: Watcher, job_id: UUID) -> None:
        topic = self._topics.get(job_id)
        if topic is not None:
            topic.watchers.discard(watcher)
            if not topic.watchers:
                del self._topics[job_id]

    async def close(self) -> None:
        await self._poll.stop()

    async def _read(self) -> bool:
        topics = dict(self._topics)
        if not topics:
            return False
        shown = {job_id: _version(topic) for job_id, topic in topics.items()}
        rows = await read_changed(self.pool, shown)
        stands = {
            job_id: topic.stand
            for job_id, topic in topics.items()
            if job_id in rows or topic.behind
        }
        news: Mapping[UUID, News] = {}
        if stands:
            news = await read_news(self.pool, list(stands.values()), rows)
        for job_id, topic in topics.items():
            self._advance(topic, stands.get(job_id), news.get(job_id), rows.get(job_id))
        return True

    def _advance(
        self, topic: _Topic, stand: Stand | None, news: News | None, row: Row | None
    ) -> None:
        if stand is not None and news is not None:
            topic.tell(news.messages)
            # Somebody may have joined with an earlier place meanwhile: then that one stays.
            if topic.stand is stand:
                topic.stand = Stand(stand.job_id, news.place, stand.told)
                topic.behind = news.more
        topic.row = row or topic.row
        healthy = self._health(topic.row)
        if (row is not None or healthy != topic.health) and not topic.behind:
            topic.health = healthy
            topic.tell([self.show(topic.row)])

    def _health(self, row: Mapping[str, Any]) -> str | None:
        """It may change while nothing is written: a trainer falls silent."""
        return health(row, now=self._now(), interval=self._interval)


def _version(topic: _Topic) -> str | None:
    return None if topic.behind else topic.row["version"]


def place_of(row: Row, told: Place | None) -> Place:
    """Where a watcher begins: where it stood, if this job was ever there; else at the beginning of
    its timeline, and with the points that come from now on."""
    if told is not None and told.change <= row["sequence"]:
        return told
    if row["last_seen"] is None:
        return Place()
    return Place(attempt=row["attempt"], beat=row["beat_sequence"])
