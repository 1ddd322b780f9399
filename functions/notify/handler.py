"""Tells those who asked for it, over their own webhooks."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from uuid import UUID

import asyncpg

from common.webhooks import delivery, signature
from common.webhooks.delivery import Delivery
from common.webhooks.post import Answer, Sender

BATCH = 20
AGENT = "eventrain-webhooks/1"

Now = Callable[[], datetime]


async def notify(job_id: UUID | None, *, pool: asyncpg.Pool, sender: Sender, now: Now) -> None:
    """Woken by the events of a job, or by status-sync and webhooks for whatever is due. Sends each
    due delivery once and keeps what came of it: delivered, again later, or failed. Emits nothing.
    Fails only without the database; what was claimed then is due again when its lease is over."""
    while claimed := await delivery.claim(pool, now=now(), limit=BATCH, job_id=job_id):
        await asyncio.gather(*(_deliver(each, pool, sender, now) for each in claimed))


async def _deliver(each: Delivery, pool: asyncpg.Pool, sender: Sender, now: Now) -> None:
    if each.lost is not None:
        answer = Answer(0.0, error=each.lost, final=True)
    else:
        signed = signature.headers(str(each.id), each.body, each.secrets, now=now())
        headers = {
            "content-type": delivery.CONTENT_TYPE,
            "user-agent": AGENT,
            "eventrain-event": each.event,
            **signed,
        }
        answer = await sender.post(each.url, headers, each.body, each.tries - 1)
    await delivery.note(pool, each, answer, now=now())
