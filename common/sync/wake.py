"""Waking what sleeps past its time: launches, events that no broker has, registrations that
nobody has made, deliveries that nobody has sent, attempts that nobody has carried to MLflow."""

import asyncio
from datetime import datetime, timedelta
from uuid import uuid4

import asyncpg

from common.events import Event
from common.jobs import outbox
from common.jobs.outbox import Publish
from common.launch.cluster import Cluster
from common.launch.launch import launch_due
from common.launch.plan import Site
from common.postgres import statement
from common.sync.apply import SOURCE
from common.tracking import mirror
from common.webhooks import delivery
from eventing.catalogue import EventType

LAUNCHES = 50
REMINDED = 200
LONGEST = timedelta(seconds=20)
FAILURES = 3


class Patience:
    """Sends until the broker has failed a few times in a row; a tick has other things to do."""

    def __init__(self, send: Publish) -> None:
        self._send = send
        self._failures = 0

    async def __call__(self, event: Event) -> bool:
        if self._failures >= FAILURES:
            return False
        taken = await self._send(event)
        self._failures = 0 if taken else self._failures + 1
        return taken


async def launch(pool: asyncpg.Pool, cluster: Cluster, site: Site, *, now: datetime) -> None:
    """Makes the launches that are due, as many as there is time for."""
    clock = asyncio.get_running_loop().time
    deadline = clock() + LONGEST.total_seconds()
    while clock() < deadline:
        made = await launch_due(
            pool, cluster=cluster, site=site, source=SOURCE, now=now, limit=LAUNCHES
        )
        if not made:
            return


async def publish(pool: asyncpg.Pool, send: Publish, *, now: datetime) -> None:
    """Sends what the outbox still holds; what the broker does not take comes again."""
    while await outbox.publish_events(pool, send, now=now):
        pass


async def remind(pool: asyncpg.Pool, send: Publish, *, now: datetime, overdue: timedelta) -> None:
    """Sends the event of a success again, the very same, where its registration is overdue."""
    due = await pool.fetch(statement("overdue_registrations"), now - overdue, REMINDED)
    job_ids = [row["job_id"] for row in due]
    if job_ids:
        for row in await pool.fetch(statement("read_succeeded_events"), job_ids):
            await send(outbox.to_event(row))


async def deliver(pool: asyncpg.Pool, send: Publish, *, now: datetime) -> None:
    """One event, however many deliveries are due."""
    if await delivery.any_due(pool, now=now):
        kind = EventType.DELIVERY_REQUESTED
        await send(Event(str(uuid4()), SOURCE, kind, time=now, data={}))


async def carry(pool: asyncpg.Pool, send: Publish, *, now: datetime) -> None:
    """One event, however many attempts are due to be carried to MLflow."""
    if await mirror.any_due(pool, now=now):
        kind = EventType.MIRROR_REQUESTED
        await send(Event(str(uuid4()), SOURCE, kind, time=now, data={}))
