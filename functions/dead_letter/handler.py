"""Keeps what a broker could not deliver."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec

from common.events import Event
from common.storage import address
from common.storage.objects import Objects
from eventing.catalogue import EventType


async def dead_letter(event: Event, *, objects: Objects, now: Callable[[], datetime]) -> None:
    """Called by the broker for an event that nobody took. Writes it to
    `dead-letters/{day}/{event id}.json`, with the broker's own word about the failure among its
    attributes; the same event again is written over it. A tick of the clock is dropped: the next
    one does its work, and an outage would leave thousands. Fails only without the store.
    """
    if is_tick(event):
        return
    received = now().astimezone(UTC)
    key = address.dead_letter_key(received.date(), event.id)
    letter = msgspec.json.encode(_letter(event, received))
    await objects.put_bytes(key, letter, "application/json")


def is_tick(event: Event) -> bool:
    """Whether it is the clock's; its type is the source's own, an extension says what it means."""
    return EventType.SYNC_REQUESTED in (event.type, event.extensions.get("eventtype"))


def _letter(event: Event, received: datetime) -> dict[str, Any]:
    attributes: dict[str, Any] = {
        "specversion": "1.0",
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "subject": event.subject,
        "time": event.time,
        **event.extensions,
    }
    return {
        "attributes": {name: value for name, value in attributes.items() if value is not None},
        "data": event.data,
        "receivedAt": received,
    }
