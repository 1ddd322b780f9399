"""Evidence outside our rows: results and logs, fetched with nothing locked and kept in S3.

A store or a cluster that cannot be reached is no evidence: the attempt waits for the next tick.
"""

import asyncio
import logging
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

import asyncpg

from common import answers
from common.jobs.retry import Jitter, RetryRules
from common.launch.cluster import Cluster, Refused
from common.postgres import statement
from common.storage import address
from common.storage.address import Address
from common.storage.objects import Objects
from common.sync import spool
from common.sync.decision import Ended, Exceeded, Settle
from common.sync.observe import SeenPod

T = TypeVar("T")

AT_ONCE = 8
IN_ONE_TICK = 200
LOG_LINES = 2_000
LOG_BYTES = 1 << 20
EVIDENCE_BYTES = 64 * 1024
# A node that is gone for longer takes its logs along.
LOG_PATIENCE = timedelta(minutes=15)

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sources:
    """Where evidence is, and where it goes."""

    pool: asyncpg.Pool
    cluster: Cluster
    objects: Objects
    bucket: str


async def collect(
    ended: Sequence[Ended], sources: Sources, *, rules: RetryRules, now: datetime, jitter: Jitter
) -> list[Exceeded]:
    """Ends the attempts whose trainers left a result; the failures of those that left none and
    had the time to."""

    async def look(each: Ended) -> Exceeded | None:
        key = each.row.key
        result = await spool.read_result(sources.objects, key)
        if result is not None:
            pool, bucket = sources.pool, sources.bucket
            await spool.record(pool, key, result, bucket=bucket, now=now)
            if await spool.end(
                pool, key, result, rules=rules, now=now, jitter=jitter, bucket=bucket
            ):
                return None
        if not each.final:
            return None
        tail = await _tail(sources.cluster, each.pod, now) if each.pod else b""
        text = tail[-EVIDENCE_BYTES:].decode("utf-8", "replace").replace("\0", "?")
        evidence = replace(each.evidence, log_tail=text or None)
        return Exceeded(each.row, evidence, each.reason)

    found = await _each([look(each) for each in ended[:IN_ONE_TICK]])
    return [failed for failed in found if failed is not None]


async def settle(settled: Sequence[Settle], sources: Sources, *, now: datetime) -> None:
    """Keeps what is left of attempts that are over: what was not delivered, and the end of the
    pod's log. Only then may their Jobs be forgotten."""

    async def keep(each: Settle) -> dict[str, Any]:
        result = await spool.read_result(sources.objects, each.key)
        if result is not None:
            await spool.record(sources.pool, each.key, result, bucket=sources.bucket, now=now)
        log_uri = await _keep_log(each, sources, now)
        return {"job_id": each.key.job_id, "attempt": each.key.attempt, "log_uri": log_uri}

    rows = await _each([keep(each) for each in settled[:IN_ONE_TICK]])
    if rows:
        await sources.pool.execute(statement("settle_attempts"), rows, now)


async def _keep_log(each: Settle, sources: Sources, now: datetime) -> str | None:
    tail = await _tail(sources.cluster, each.pod, now) if each.pod else b""
    if not tail:
        return None
    name = address.pod_log_key(str(each.key.job_id), each.key.attempt)
    await sources.objects.put_bytes(name, tail, "text/plain; charset=utf-8")
    return str(Address(sources.bucket, name))


async def _tail(cluster: Cluster, pod: SeenPod, now: datetime) -> bytes:
    """Raises Refused while the log may still be had."""
    try:
        return await cluster.read_log(pod.name, lines=LOG_LINES, limit=LOG_BYTES)
    except Refused as refused:
        gone = pod.ended_at is not None and now - pod.ended_at > LOG_PATIENCE
        if refused.status is None or not gone:
            raise
        _log.warning("the log of %s is given up: %s", pod.name, refused.message)
        return b""


async def _each(deeds: Sequence[Awaitable[T]]) -> list[T]:
    """What each gives, a few at once, without those that could not be done now. One that fails
    in a way nobody foresaw does not keep the others waiting."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(deed: Awaitable[T]) -> T:
        async with gate:
            return await deed

    found = await asyncio.gather(*map(one, deeds), return_exceptions=True)
    for wrong in found:
        if isinstance(wrong, Refused) or (
            isinstance(wrong, Exception) and answers.is_temporary(wrong)
        ):
            _log.warning("evidence is left for the next tick: %r", wrong)
        elif isinstance(wrong, BaseException):
            _log.error("evidence could not be taken", exc_info=wrong)
    return [each for each in found if not isinstance(each, BaseException)]
