"""Ends an attempt as its trainer says."""

from collections.abc import Callable, Collection
from datetime import datetime
from uuid import UUID

import asyncpg

from common.jobs import ending
from common.jobs.ending import Ending
from common.jobs.retry import Jitter, RetryRules
from common.postgres import transaction


async def done(
    told: Ending,
    *,
    pool: asyncpg.Pool,
    rules: Callable[[], RetryRules],
    announce: Callable[[Collection[UUID]], None],
    now: datetime,
    jitter: Jitter,
) -> None:
    """Called by a trainer with its job token. Ends the attempt in one transaction: succeeded
    (`job.succeeded`, and a registration to be made), tried again (`job.retry_scheduled`), failed
    (`job.failed`) or cancelled (`job.cancelled`). The same end told again changes nothing. Raises
    StaleAttempt for an older attempt, Conflict for another end than the first, NotFound.
    """
    async with transaction(pool) as connection:
        event_ids = await ending.end(
            connection, told, source="done", rules=rules(), now=now, jitter=jitter
        )
    announce(event_ids)
