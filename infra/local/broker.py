"""A broker in memory, with the manners of a real one.

An event is answered 202 once it is well-formed, then offered to every Trigger that wants it. What
is not delivered when the stack ends is gone: events only wake, the database remembers.
"""

import asyncio
import base64
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import aiohttp
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from yarl import URL

from infra.local import cloudevent
from infra.local.cloudevent import Event, NotAnEvent
from infra.local.function import Function, NotReady
from infra.local.functions import Functions
from infra.local.trigger import Delivery, Destination, Trigger
from infra.local.trigger_api import TriggerApi

PATH = "/broker"
RETRIED = frozenset({404, 408, 409, 429})
LONGEST_BODY = 1 << 20
MOST_PENDING = 10_000
ERROR_DATA_LENGTH = 1024

# When a Trigger gets an event, in seconds from now: tests deliver twice, late and out of order.
Timing = Callable[[Event, str], Sequence[float]]


def at_once(event: Event, trigger: str) -> Sequence[float]:
    return (0.0,)


@dataclass(frozen=True)
class Answer:
    """What a consumer said; no status means that nobody answered."""

    status: int | None
    headers: Mapping[str, str]
    body: bytes

    @property
    def reply(self) -> Event | None:
        try:
            return cloudevent.read(self.headers, self.body) if self.body else None
        except NotAnEvent:
            return None

    @property
    def accepted(self) -> bool:
        """A 2xx whose body is no event is a failure."""
        good = self.status is not None and 200 <= self.status < 300
        return good and (not self.body or self.reply is not None)

    @property
    def worth_another_try(self) -> bool:
        if self.status is None or self.status >= 500 or self.status in RETRIED:
            return True
        return 200 <= self.status < 300


class Broker:
    """An ASGI app, and `publish` for what lives in this process."""

    def __init__(
        self,
        triggers: Iterable[Trigger],
        functions: Functions,
        session: aiohttp.ClientSession,
        *,
        report: Callable[[str], None],
        applied: TriggerApi,
        timing: Timing = at_once,
    ) -> None:
        """A Trigger delivers as it is `applied` when an event comes."""
        self._triggers = tuple(triggers)
        self._functions = functions
        self._session = session
        self._report = report
        self._applied = applied
        self._timing = timing
        self._pending: set[asyncio.Task[None]] = set()
        for trigger in self._triggers:
            for place in (trigger.subscriber, trigger.delivery.dead_letter):
                if place is not None:
                    functions.require(place.function, wanted_by=f"Trigger {trigger.name}")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            response = await self._ingest(Request(scope, receive))
            await response(scope, receive, send)

    def publish(self, event: Event) -> bool:
        """False when too much is pending."""
        if len(self._pending) >= MOST_PENDING:
            return False
        for known in self._triggers:
            trigger = self._applied.now(known)
            if trigger is not None and trigger.wants(event.attributes):
                for delay in self._timing(event, trigger.name):
                    task = asyncio.create_task(self._serve(trigger, event, delay))
                    self._pending.add(task)
                    task.add_done_callback(self._pending.discard)
        return True

    async def send(self, place: Destination, event: Event, *, patience: float) -> Answer:
        """One try."""
        function = self._functions[place.function]
        try:
            async with asyncio.timeout(patience), function.request() as address:
                return await self._post(address + place.path, function, event)
        except (aiohttp.ClientError, TimeoutError, OSError, NotReady) as problem:
            function.doubt()
            return Answer(None, {}, str(problem).encode())

    async def stop(self) -> None:
        for task in tuple(self._pending):
            task.cancel()
        await asyncio.gather(*self._pending, return_exceptions=True)

    async def _ingest(self, request: Request) -> Response:
        if request.url.path != PATH:
            return Response(status_code=404)
        if request.method != "POST":
            return Response(status_code=405, headers={"Allow": "POST"})
        try:
            body = await _bounded_body(request)
            event = cloudevent.read(dict(request.headers), body)
        except NotAnEvent as problem:
            return Response(f"{problem}\n", status_code=400, media_type="text/plain")
        except (ClientDisconnect, OverflowError):
            return Response(status_code=413)
        if not self.publish(event):
            return Response(status_code=503, headers={"Retry-After": "1"})
        return Response(status_code=202)

    async def _serve(self, trigger: Trigger, event: Event, delay: float) -> None:
        await asyncio.sleep(delay)
        answer = await self._deliver(trigger.subscriber, trigger.delivery, event)
        if answer.accepted:
            if answer.reply is not None:
                self.publish(answer.reply)
            return
        said = answer.status or answer.body.decode(errors="replace")
        self._report(f"{trigger.name} did not take {event.attributes['type']}: {said}")
        if trigger.delivery.dead_letter is not None:
            dead = event.extended(self._error(trigger, answer))
            await self._deliver(trigger.delivery.dead_letter, trigger.delivery, dead)

    async def _deliver(self, place: Destination, delivery: Delivery, event: Event) -> Answer:
        tries = 0
        while True:
            answer = await self.send(place, event, patience=delivery.timeout)
            tries += 1
            if answer.accepted or not answer.worth_another_try or tries > delivery.retry:
                return answer
            await asyncio.sleep(delivery.pause(tries))

    async def _post(self, address: str, function: Function, event: Event) -> Answer:
        headers = {**event.headers(), "host": function.plan.host}
        url = URL(address, encoded=True)
        async with self._session.post(
            url, data=event.data, headers=headers, allow_redirects=False
        ) as answer:
            sent = {name.lower(): value for name, value in answer.headers.items()}
            return Answer(answer.status, sent, await answer.read())

    def _error(self, trigger: Trigger, answer: Answer) -> Mapping[str, str]:
        place = trigger.subscriber
        host = self._functions[place.function].plan.host
        data = base64.b64encode(answer.body[:ERROR_DATA_LENGTH]).decode()
        code = {"knativeerrorcode": str(answer.status)} if answer.status is not None else {}
        return {
            "knativeerrordest": f"http://{host}{place.path}",
            **code,
            **({"knativeerrordata": data} if data else {}),
        }


async def _bounded_body(request: Request) -> bytes:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > LONGEST_BODY:
            raise OverflowError
    return bytes(body)
