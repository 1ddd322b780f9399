"""What a broker delivers, and the three answers it understands.

204: done with it. 400: poison, do not bring it again. 503: bring it again later. Always empty,
for a broker takes a body that is no event for a failure. A delivery carries no trust: a handler
takes the subject and acts on what the database says.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from common import answers, errors, events, trace

Handle = Callable[[events.Event, Any], Awaitable[None]]
Read = Callable[[Mapping[str, str], bytes], events.Event]
Endpoint = Callable[[Request], Awaitable[Response]]

LARGEST_EVENT = 1 << 20
RETRY_AFTER = {"retry-after": str(answers.RETRY_AFTER)}


def endpoint(handle: Handle, read: Read = events.parse) -> Endpoint:
    """The endpoint that gives each delivered event, and what the lifespan yielded, to the handler.
    The handler raises Poison for what it will never understand; whatever else it raises decides
    between 400 and 503 by the table of `common.answers`."""

    async def receive(request: Request) -> Response:
        try:
            event = read(request.headers, await _body(request))
            _remember(event)
            await handle(event, getattr(request.app.state, "deps", None))
        except Exception as wrong:  # noqa: BLE001 - the boundary
            status = answers.broker_answer(wrong)
            return Response(status_code=status, headers=RETRY_AFTER if status == 503 else None)
        return Response(status_code=204)

    return receive


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_EVENT:
            raise errors.Poison("The event is too large.")
    return bytes(body)


def _remember(event: events.Event) -> None:
    trace.job_id.set(event.subject)
    parent = trace.parse(event.extensions.get("traceparent"))
    if parent:
        trace.parent.set(parent)
