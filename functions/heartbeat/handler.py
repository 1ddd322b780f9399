"""Takes a trainer's heartbeat."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from uuid import UUID

from common.errors import NotFound, StaleAttempt
from common.jobs.beat import Beat, Fence
from common.jobs.told import Heartbeat, encode_beat
from common.tokens import job_token
from common.tokens.job_token import JobClaims
from functions.heartbeat.schema import Answer


async def heartbeat(
    beat: Heartbeat,
    *,
    job_id: UUID,
    claims: JobClaims,
    commit: Callable[[Beat], Awaitable[Fence | None]],
    come_alive: Callable[[UUID, int], Awaitable[None]],
    renew: Callable[[UUID, int, datetime], str],
    interval: float,
    now: datetime,
) -> Answer:
    """Called by a trainer with its job token. Commits the beat behind the fence of its attempt,
    moves the job to running at the first sign of life (`job.started`), and says what to do next;
    a token past half of its life is answered with a fresh one. Raises StaleAttempt for an older
    attempt, NotFound, and Unavailable when the database is away or too many beats wait.
    """
    row = Beat(job_id, claims.attempt, beat.sequence, beat.marker(), encode_beat(beat))
    fence = await commit(row)
    if fence is None:
        raise NotFound("There is no such job.")
    if fence.attempt != claims.attempt:
        raise StaleAttempt
    if fence.waiting and fence.open:
        await come_alive(job_id, claims.attempt)
    fresh = None
    if fence.open and job_token.past_half(claims, now):
        fresh = renew(job_id, claims.attempt, now)
    return Answer(fence.command, interval, fresh)
