"""A dead letter: an event that nobody took, kept as it came until somebody sends it again.

Each is an object of its own, `dead-letters/{day}/{event id}.json`; without a database, for it is
the last resort of everything else. The same event on the same day is written over it.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Annotated, Any, cast
from uuid import UUID

import msgspec

from common.errors import NotFound
from common.events import JSON, Event
from common.storage import address
from common.storage.objects import Objects

REQUIRED = ("id", "source", "type")
# What a broker adds when it gives up; what is sent again goes without.
FAILURE = ("knativeerrorcode", "knativeerrordata", "knativeerrordest")
READ_AT_ONCE = 20
MOST_READ = 500
SUFFIX = ".json"
DAY = len("2026-01-01")


@dataclass(frozen=True, slots=True)
class Letter:
    """The event's attributes as text, and its data: JSON, or bytes where it is none."""

    attributes: Mapping[str, str]
    data: Any
    received_at: datetime
    content_type: str = JSON
    replayed_at: datetime | None = None

    @property
    def key(self) -> str:
        return address.dead_letter_key(self.received_at.date(), self.attributes["id"])

    @property
    def id(self) -> str:
        """The day and the event's id, as the key spells them."""
        place = self.key.removeprefix(address.DEAD_LETTERS).removesuffix(SUFFIX)
        return place.replace("/", "-", 1)

    @property
    def project_id(self) -> UUID | None:
        """Whose it is, where its data says so."""
        data = cast("dict[str, Any]", self.data) if isinstance(self.data, dict) else {}
        try:
            return UUID(data.get("projectId"))
        except (TypeError, ValueError, AttributeError):
            return None

    def event(self) -> Event:
        """The event as it was sent first, with its id."""
        others = {
            name: value
            for name, value in self.attributes.items()
            if name not in (*REQUIRED, *FAILURE)
        }
        return Event(
            self.attributes["id"],
            self.attributes["source"],
            self.attributes["type"],
            data=self.data,
            extensions=others,
            content_type=self.content_type,
        )


class _Stored(msgspec.Struct, rename="camel"):
    """How a letter is written; bytes go as base64."""

    attributes: dict[str, str]
    received_at: Annotated[datetime, msgspec.Meta(tz=True)]
    content_type: str = JSON
    data: Any = None
    data_base64: bytes | None = None
    replayed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Page:
    letters: Sequence[Letter]
    last_key: str | None


def letter_of(event: Event, received_at: datetime) -> Letter:
    attributes = {
        "specversion": "1.0",
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "subject": event.subject,
        "time": event.time.isoformat() if event.time else None,
        **event.extensions,
    }
    named = {name: value for name, value in attributes.items() if value is not None}
    return Letter(named, event.data, received_at.astimezone(UTC), event.content_type)


class Letters:
    """The letters in the store. Raises NotFound for what is not there."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    async def keep(self, letter: Letter) -> None:
        await self._objects.put_bytes(letter.key, _encode(letter), JSON)

    async def find(self, letter_id: str) -> Letter:
        letter = await self._read(_key_of(letter_id))
        if letter is None or letter.id != letter_id:
            raise NotFound("There is no such dead letter.")
        return letter

    async def mark(self, letter: Letter, replayed_at: datetime | None) -> Letter:
        marked = replace(letter, replayed_at=replayed_at)
        await self.keep(marked)
        return marked

    async def page(self, wanted: Callable[[Letter], bool], limit: int, after: str) -> Page:
        """The oldest that are wanted, after a key. `last_key` where there may be more: a page is
        not full when many had to be looked at."""
        shown: list[Letter] = []
        looked = 0
        async for keys in self._keys(after):
            for key, letter in zip(keys, await asyncio.gather(*map(self._read, keys)), strict=True):
                shown += [letter] if letter and wanted(letter) else []
                if len(shown) == limit:
                    return Page(shown, key)
            looked += len(keys)
            if looked >= MOST_READ:
                return Page(shown, keys[-1])
        return Page(shown, None)

    async def _keys(self, after: str) -> AsyncGenerator[list[str]]:
        batch: list[str] = []
        async for found in self._objects.walk(address.DEAD_LETTERS, after):
            batch.append(found.key)
            if len(batch) == READ_AT_ONCE:
                yield batch
                batch = []
        if batch:
            yield batch

    async def _read(self, key: str) -> Letter | None:
        try:
            letter = _decode(await self._objects.get_bytes(key))
            return letter if all(name in letter.attributes for name in REQUIRED) else None
        except (NotFound, msgspec.MsgspecError):
            return None


def _key_of(letter_id: str) -> str:
    day, name = letter_id[:DAY], letter_id[DAY + 1 :]
    try:
        return address.dead_letter_key(date.fromisoformat(day), name)
    except ValueError:
        raise NotFound("There is no such dead letter.") from None


def _encode(letter: Letter) -> bytes:
    is_json = not isinstance(letter.data, bytes)
    stored = _Stored(
        dict(letter.attributes),
        letter.received_at,
        letter.content_type,
        data=letter.data if is_json else None,
        data_base64=None if is_json else letter.data,
        replayed_at=letter.replayed_at,
    )
    return msgspec.json.encode(stored)


def _decode(body: bytes) -> Letter:
    stored = msgspec.json.decode(body, type=_Stored)
    data = stored.data if stored.data_base64 is None else stored.data_base64
    return Letter(
        stored.attributes, data, stored.received_at, stored.content_type, stored.replayed_at
    )
