"""The first sign of life: whoever hears an attempt first moves its job to running."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

import asyncpg

from common.jobs import transition
from common.jobs.state import Trigger
from common.jobs.transition import Applied, Intent
from common.postgres import transaction


async def come_alive(
    pool: asyncpg.Pool, job_id: UUID, attempt: int, *, source: str, now: datetime
) -> Collection[UUID]:
    """The ids of the events that tell of it; none when somebody else was first."""
    intent = Intent(job_id, attempt, Trigger.ALIVE, source)
    async with transaction(pool) as connection:
        (result,) = await transition.apply(connection, [intent], now=now)
    return result.event_ids if isinstance(result, Applied) else ()
