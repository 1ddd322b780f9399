"""Takes what a trainer tells."""

from collections.abc import Awaitable, Callable
from datetime import datetime

import asyncpg

from common.jobs import report
from common.jobs.report import Report
from common.postgres import transaction
from functions.event.schema import Answer


async def event(
    told: Report,
    *,
    pool: asyncpg.Pool,
    come_alive: Callable[[Report], Awaitable[None]],
    now: datetime,
) -> Answer:
    """Called by a trainer with its job token. Keeps the event behind the fence of its attempt and
    answers with its number; a checkpoint becomes a place to resume from, and what MLflow's client
    said becomes experiment runs, in the same transaction.
    A repeated CloudEvent is answered as the first was. Moves the job to running at the first sign
    of life (`job.started`). Raises StaleAttempt for an older attempt, NotFound.
    """
    async with transaction(pool) as connection:
        recorded = await report.keep(connection, told, now=now)
    if recorded.fence is not None and recorded.fence.waiting and recorded.fence.open:
        await come_alive(told)
    return Answer(recorded.number)
