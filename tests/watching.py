"""Jobs that are told about: whatever a trainer or a transition would write, at once."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import msgspec

from common.jobs.beat import Beat, record
from common.jobs.state import Trigger
from tests.jobs import apply, intent_of
from tests.sse import Told

PATIENCE = 60.0


async def beat(pool: asyncpg.Pool, job_id: UUID, sequence: int, *, attempt: int = 1) -> None:
    """A heartbeat with one point, as the function writes it."""
    body = {"sequence": sequence, "step": sequence, "totalSteps": 100}
    body |= {"points": [{"name": "loss", "value": 1 / (sequence + 1), "step": sequence}]}
    text = msgspec.json.encode(body).decode()
    told = Beat(job_id, attempt, sequence, f"/{sequence}/", text)
    await record(pool, [told], now=datetime.now(UTC))


async def change(pool: asyncpg.Pool, job_id: UUID, trigger: Trigger, attempt: int = 1) -> None:
    await apply(pool, intent_of(job_id, trigger, attempt), datetime.now(UTC))


async def turn(pool: asyncpg.Pool, job_id: UUID, attempt: int) -> int:
    """A running attempt fails and the next one runs: three state changes. The next attempt."""
    await change(pool, job_id, Trigger.FAILED_RETRYABLE, attempt)
    await change(pool, job_id, Trigger.LAUNCHED, attempt + 1)
    await change(pool, job_id, Trigger.ALIVE, attempt + 1)
    return attempt + 1


async def until(told: AsyncGenerator[Told], seen: Callable[[Told], bool]) -> list[Told]:
    """All that is told up to the first that was waited for."""
    found: list[Told] = []
    async with asyncio.timeout(PATIENCE):
        async for each in told:
            found.append(each)
            if seen(each):
                return found
    raise AssertionError(f"the stream ended after {found}")


async def rest(told: AsyncGenerator[Told]) -> list[Told]:
    """All that is told to the end of the stream."""
    async with asyncio.timeout(PATIENCE):
        return [each async for each in told]


def is_job(status: str) -> Callable[[Told], bool]:
    return lambda told: told.event == "job" and told.data["status"] == status
