"""One tick of status-sync: look, decide, write, enforce, collect, wake, sweep; what is due to be
launched is launched beside all that.

Every step can be repeated and none needs another, so that a tick may die anywhere. Nothing is
locked and no transaction is open while Kubernetes or S3 is asked.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

import asyncpg

from common.jobs.outbox import Publish
from common.jobs.retry import Evidence, Jitter, RetryRules
from common.launch.cluster import Cluster, Refused
from common.launch.plan import Site
from common.storage.objects import Objects
from common.sync import apply, archive, collect, enforce, listing, observe, sweep, wake
from common.sync.collect import Sources
from common.sync.decide import Limits, decide
from common.sync.decision import (
    Alert,
    Alive,
    Decision,
    DeleteJob,
    Ended,
    Exceeded,
    Gone,
    Note,
    Reissue,
    Settle,
    SetTtl,
    Stalled,
    StopPod,
    Suspect,
)  # fmt: skip
from common.sync.lease import Held, Now, hold
from common.sync.retention import Retention

T = TypeVar("T")

LEASE = "status-sync"
SWEEP_LEASE = "sweep"
MISSED = 4
LONGEST = timedelta(minutes=4)

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Tools:
    """What a tick works with."""

    pool: asyncpg.Pool
    cluster: Cluster
    objects: Objects
    site: Site
    publish: Publish
    rules: Callable[[], RetryRules]
    retention: Callable[[], Retention]
    limits: Limits
    interval: timedelta
    now: Now
    jitter: Jitter


async def tick(tools: Tools) -> bool:
    """One tick, unless another runs or ran just now; whether it did all that it had to."""
    async with hold(tools.pool, LEASE, spacing=tools.interval, now=tools.now) as held:
        if held is None:
            return False
        async with asyncio.timeout(LONGEST.total_seconds()):
            try:
                held.complete = await _reconcile_and_launch(tools, held)
            finally:
                await _wake(tools)
            await _sweep(tools)
        return held.complete


async def _reconcile_and_launch(tools: Tools, held: Held) -> bool:
    """Thousands of objects take a while to be read, which no launch has to wait for. Where one of
    the two fails, the other is finished first."""
    complete, launched = await asyncio.gather(
        _reconcile(tools, held), _launch(tools), return_exceptions=True
    )
    if isinstance(complete, BaseException):
        raise complete
    if isinstance(launched, BaseException):
        raise launched
    return complete


async def _reconcile(tools: Tools, held: Held) -> bool:
    try:
        decisions = await _look(tools, held)
    except Refused as refused:
        _log.warning("the cluster shows nothing that can be believed: %s", refused.message)
        held.detail = {"unreachable": refused.message}
        return False
    alerts = _of(decisions, Alert)
    held.detail = {kind.__name__: len(_of(decisions, kind)) for kind in _COUNTED}
    if alerts:
        absent, expected = alerts[0].absent, alerts[0].expected
        _log.error("%s of %s Jobs are absent at once: nothing is changed", absent, expected)
        held.detail |= {"absent": absent, "expected": expected}
    await _carry_out(decisions, tools)
    return not alerts


async def _look(tools: Tools, held: Held) -> list[Decision]:
    """Rows first: whatever is launched after they were read cannot be missed in the listing."""
    rows = await observe.read_rows(tools.pool)
    jobs = await listing.see_jobs(tools.cluster.pages("jobs", listing.read_jobs))
    pods = await listing.see_pods(tools.cluster.pages("pods", listing.read_pods))
    live = {row.key for row in rows}
    pasts = await observe.read_pasts(tools.pool, jobs.keys() - live)
    now = tools.now()
    last = held.last_completed_at
    watched = last is not None and now - last < MISSED * tools.interval
    limits = replace(tools.limits, watched=watched)
    return decide(rows, jobs, pods, pasts, now=now, limits=limits)


async def _carry_out(decisions: Sequence[Decision], tools: Tools) -> None:
    pool, cluster, now = tools.pool, tools.cluster, tools.now()
    sources = Sources(pool, cluster, tools.objects, tools.site.storage.bucket)
    await apply.note(pool, _of(decisions, Note), now=now)
    await _change(tools, [*_of(decisions, Alive), *_of(decisions, Gone),
                          *_of(decisions, Stalled), *_of(decisions, Exceeded)])  # fmt: skip
    await collect.settle(_of(decisions, Settle), sources, now=now)
    asked = [*_of(decisions, StopPod), *_of(decisions, DeleteJob), *_of(decisions, SetTtl)]
    await enforce.enforce(cluster, asked)
    await enforce.reissue(pool, cluster, tools.site, _of(decisions, Reissue), now=now)
    vanished = await enforce.ask_for(pool, cluster, _of(decisions, Suspect), now=now)
    ended = [*_of(decisions, Ended), *map(_vanished, vanished)]
    failed = await collect.collect(
        ended, sources, rules=tools.rules(), now=now, jitter=tools.jitter
    )
    await _change(tools, failed)


async def _launch(tools: Tools) -> None:
    await wake.launch(tools.pool, tools.cluster, tools.site, now=tools.now())


async def _wake(tools: Tools) -> None:
    """With the launches that the tick itself made due."""
    send = wake.Patience(tools.publish)
    await _launch(tools)
    await wake.publish(tools.pool, send, now=tools.now())
    await wake.remind(tools.pool, send, now=tools.now(), overdue=tools.interval)
    await wake.deliver(tools.pool, send, now=tools.now())
    await wake.carry(tools.pool, send, now=tools.now())


async def _change(tools: Tools, changes: Sequence[Alive | Gone | Stalled | Exceeded]) -> None:
    await apply.change(
        tools.pool, changes, rules=tools.rules(), now=tools.now(), jitter=tools.jitter
    )


async def _sweep(tools: Tools) -> None:
    """What was measured at each tick; the rest now and then, and at each tick while there is more
    than one step can do."""
    retention = tools.retention()
    packed_after = timedelta(days=retention.packed_after_days)
    await archive.archive(tools.pool, now=tools.now(), packed_after=packed_after)
    async with hold(tools.pool, SWEEP_LEASE, spacing=sweep.SPACING, now=tools.now) as held:
        if held is not None:
            held.more = await sweep.sweep(tools.pool, tools.objects, retention, now=tools.now())
            held.complete = True


def _vanished(row: observe.Row) -> Ended:
    evidence = Evidence(reasons=("JobVanished",))
    return Ended(row, evidence, "its Job is gone from the cluster", None, final=True)


def _of(decisions: Sequence[Decision], kind: type[T]) -> list[T]:
    return [each for each in decisions if isinstance(each, kind)]


_COUNTED: tuple[type[Any], ...] = (
    Alive, Ended, Exceeded, Gone, Stalled, Suspect, StopPod, DeleteJob, Reissue, Settle,
)  # fmt: skip


def age_of(completed_at: datetime | None, now: datetime) -> float | None:
    """Seconds since the last complete tick, on which every promise here rests."""
    return None if completed_at is None else (now - completed_at).total_seconds()
