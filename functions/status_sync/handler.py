"""Compares what we wrote with what the cluster shows, and wakes what sleeps past its time."""

from common.sync.tick import Tools, tick


async def status_sync(tools: Tools) -> None:
    """Woken by `sync.requested`, the clock's event, which says nothing: one tick, unless another
    holds the lease or ran just now. Emits, through the outbox, whatever it finds to have happened
    (`job.queued`, `job.started`, `job.stalled`, `job.retry_scheduled`, `job.succeeded`,
    `job.failed`, `job.cancelled`). A cluster or a store that does not answer changes nothing and is
    asked again at the next tick; only without the database does it fail.
    """
    await tick(tools)
