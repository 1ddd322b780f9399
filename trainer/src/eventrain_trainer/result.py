"""The body of result.json: how it ended, and what nobody was there to hear."""

import json
from collections.abc import Mapping
from typing import Any

from eventrain_trainer.courier import Event

RESULT_LIMIT = 4 * 1024 * 1024


def compose_result(
    done: Mapping[str, Any], heartbeats: list[dict[str, Any]], events: list[Event]
) -> bytes:
    """Within the bound: telemetry goes first, oldest first; state stays whatever it weighs."""
    while True:
        told = [{"id": event.id, **event.body()} for event in events]
        body = json.dumps({"done": done, "heartbeats": heartbeats, "events": told}).encode()
        telemetry = [event for event in events if not event.kept]
        if len(body) <= RESULT_LIMIT or not (heartbeats or telemetry):
            return body
        heartbeats = heartbeats[(len(heartbeats) + 1) // 2 :]
        dropped = {event.id for event in telemetry[: (len(telemetry) + 1) // 2]}
        events = [event for event in events if event.id not in dropped]
