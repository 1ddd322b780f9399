"""Lists of jobs that are watched: one poll for all of them, with a statement for each list that is
planned for its filter, and one for all jobs that changed."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from common.jobs.reading import Filter, list_versions
from common.jobs.view import view
from common.live.message import Message, tell
from common.live.news import Row, read_changed
from common.live.poll import Poll
from common.live.watcher import Watcher
from common.postgres import transaction

INTERVAL = 1.0
MOST_LISTS = 100


@dataclass
class _Topic:
    """One list as its watchers were told it; newcomers wait for all of it."""

    wanted: Filter
    size: int
    versions: dict[UUID, str] = field(default_factory=dict[UUID, str])
    watchers: set[Watcher] = field(default_factory=set[Watcher])
    newcomers: set[Watcher] = field(default_factory=set[Watcher])


class WatchedLists:
    def __init__(
        self, pool: asyncpg.Pool, interval: timedelta, now: Callable[[], datetime]
    ) -> None:
        self._pool = pool
        self._interval = interval
        self._now = now
        self._topics: dict[bytes, _Topic] = {}
        self._poll = Poll(self._read, INTERVAL, ease=10)

    @property
    def full(self) -> bool:
        """Whether as many different lists are watched as one poll can bear."""
        return len(self._topics) >= MOST_LISTS

    def join(self, watcher: Watcher, wanted: Filter, size: int) -> bytes:
        """The list's key. The watcher is offered the page, then what changes in it."""
        statuses = sorted(wanted.statuses) if wanted.statuses else None
        wanted = replace(wanted, projects=sorted(wanted.projects), statuses=statuses)
        key = msgspec.json.encode((wanted, size), order="deterministic")
        self._topics.setdefault(key, _Topic(wanted, size)).newcomers.add(watcher)
        self._poll.start()
        return key

    def leave(self, watcher: Watcher, key: bytes) -> None:
        topic = self._topics.get(key)
        if topic is not None:
            topic.watchers.discard(watcher)
            topic.newcomers.discard(watcher)
            if not topic.watchers and not topic.newcomers:
                del self._topics[key]

    async def close(self) -> None:
        await self._poll.stop()

    async def _read(self) -> bool:
        topics = list(self._topics.values())
        if not topics:
            return False
        async with transaction(self._pool) as connection:
            asked = [(topic.wanted, topic.size) for topic in topics]
            pages = await list_versions(connection, asked)
        newcomers = [set(topic.newcomers) for topic in topics]
        needed = {
            job_id
            for topic, page, new in zip(topics, pages, newcomers, strict=True)
            for job_id, version in page.items()
            if new or topic.versions.get(job_id) != version
        }
        rows = await read_changed(self._pool, dict.fromkeys(needed)) if needed else {}
        shown = {job_id: self._show(row) for job_id, row in rows.items()}
        for topic, page, new in zip(topics, pages, newcomers, strict=True):
            _tell(topic, page, new, shown)
        return True

    def _show(self, row: Row) -> Any:
        return view(row, now=self._now(), interval=self._interval)


def _tell(
    topic: _Topic,
    page: Mapping[UUID, str],
    newcomers: set[Watcher],
    shown: Mapping[UUID, Any],
) -> None:
    changed = [j for j, version in page.items() if topic.versions.get(j) != version and j in shown]
    gone = [job_id for job_id in topic.versions if job_id not in page]
    deltas = [tell("gone", {"id": job_id}) for job_id in gone]
    deltas += [tell("job", shown[job_id]) for job_id in changed]
    _offer(topic.watchers, deltas)
    arrived = newcomers & topic.newcomers
    if arrived:
        jobs = [shown[job_id] for job_id in page if job_id in shown]
        _offer(arrived, [tell("page", {"jobs": jobs})])
    topic.newcomers -= arrived
    topic.watchers |= arrived
    topic.versions = dict(page)


def _offer(watchers: set[Watcher], messages: list[Message]) -> None:
    for watcher in tuple(watchers):
        for message in messages:
            watcher.offer(message)
