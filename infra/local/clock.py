"""The clock that reads the PingSources."""

import asyncio
import base64
import contextlib
import uuid
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from infra.local import schedule, trigger
from infra.local.broker import Broker
from infra.local.cloudevent import Event
from infra.local.functions import Functions
from infra.local.manifests import Manifest, name_of
from infra.local.problem import ManifestProblem
from infra.local.schedule import Interval, Schedule
from infra.local.trigger import Destination

EVENT_TYPE = "dev.knative.sources.ping"
TRIES = 5
PAUSE = 0.05
PATIENCE = 30.0


@dataclass(frozen=True)
class PingSource:
    name: str
    namespace: str
    schedule: Schedule | Interval
    zone: tzinfo
    data: bytes
    content_type: str
    sink: Destination | None
    extensions: Mapping[str, str] = field(default_factory=dict[str, str])

    def event(self, now: datetime) -> Event:
        attributes = {
            "specversion": "1.0",
            "id": str(uuid.uuid4()),
            "type": EVENT_TYPE,
            "source": f"/apis/v1/namespaces/{self.namespace}/pingsources/{self.name}",
            "time": now.astimezone(UTC).isoformat().replace("+00:00", "Z"),
            **({"datacontenttype": self.content_type} if self.content_type else {}),
        }
        return Event(attributes, self.data).extended(self.extensions)


def read(manifest: Manifest, *, schedule_instead: str | None = None) -> PingSource:
    """`sink` is None for a Broker."""
    spec, name = manifest["spec"], name_of(manifest)
    encoded = spec.get("dataBase64")
    data = base64.b64decode(encoded) if encoded else str(spec.get("data", "")).encode()
    sink = spec["sink"]
    to_broker = sink.get("ref", {}).get("kind") == "Broker"
    extensions = spec.get("ceOverrides", {}).get("extensions", {})
    return PingSource(
        name=name,
        namespace=str(manifest["metadata"].get("namespace", "default")),
        schedule=schedule.read(schedule_instead or str(spec.get("schedule", "* * * * *"))),
        zone=_zone(name, spec.get("timezone")),
        data=data,
        content_type=str(spec.get("contentType", "")),
        sink=None if to_broker else trigger.destination(sink, wanted_by=f"PingSource {name}"),
        extensions={key: str(value) for key, value in extensions.items()},
    )


class Clock:
    def __init__(
        self,
        sources: Iterable[PingSource],
        broker: Broker,
        functions: Functions,
        report: Callable[[str], None],
    ) -> None:
        self._sources = tuple(sources)
        self._broker = broker
        self._report = report
        self._tasks: set[asyncio.Task[None]] = set()
        for source in self._sources:
            if source.sink is not None:
                functions.require(source.sink.function, wanted_by=f"PingSource {source.name}")

    def start(self) -> None:
        for source in self._sources:
            self._spawn(self._tick(source))

    async def stop(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _tick(self, source: PingSource) -> None:
        due = datetime.now(UTC)
        while True:
            # A timer may fire early: never the same moment twice.
            due = source.schedule.after(max(due, datetime.now(UTC)), source.zone)
            await asyncio.sleep((due - datetime.now(UTC)).total_seconds())
            self._spawn(self._send(source, source.event(due)))

    async def _send(self, source: PingSource, event: Event) -> None:
        """Five quick tries, then this tick is dropped: the next one must do its work."""
        for _ in range(TRIES):
            if await self._taken(source, event):
                return
            await asyncio.sleep(PAUSE)
        self._report(f"a tick of {source.name} was dropped")

    async def _taken(self, source: PingSource, event: Event) -> bool:
        if source.sink is None:
            return self._broker.publish(event)
        return (await self._broker.send(source.sink, event, patience=PATIENCE)).accepted

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _zone(name: str, text: str | None) -> tzinfo:
    if text is None:
        return UTC
    with contextlib.suppress(ZoneInfoNotFoundError, ValueError):
        return ZoneInfo(text)
    raise ManifestProblem(f"PingSource {name}: the time zone {text} is unknown here.")
