"""Files on their way into S3: through us as a form, or past us in presigned parts."""

import hashlib
from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from common.catalogue import place
from common.catalogue.form import Begin, Data, Piece, read_files
from common.catalogue.stored import Stored
from common.errors import Invalid, NotFound, Violation
from common.settings import Storage
from common.storage.grants import LARGEST_OBJECT, LIFETIME, MOST_PARTS, SMALLEST_PART
from common.storage.objects import Objects
from common.storage.presign import presign

PART = 8 << 20
LARGEST_FORM = 5 << 30
UNJOINABLE = frozenset({"NoSuchUpload", "InvalidPart", "InvalidPartOrder", "EntityTooSmall"})


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file that somebody wants to upload in parts."""

    name: str
    size: int


async def receive(
    objects: Objects, prefix: str, content_type: str | None, chunks: AsyncIterable[bytes]
) -> AsyncGenerator[Stored]:
    """Stores the files of a form below the prefix, and tells of each once it is complete. No more
    than one part of one file is held in memory. Raises Unreadable, Invalid."""
    sink: _Sink | None = None
    try:
        async for piece in read_files(content_type, chunks):
            sink, done = await _step(objects, prefix, sink, piece)
            if done is not None:
                yield done
    finally:
        if sink is not None:
            await sink.abort()


async def _step(
    objects: Objects, prefix: str, sink: "_Sink | None", piece: Piece
) -> "tuple[_Sink | None, Stored | None]":
    if isinstance(piece, Begin):
        return _Sink(objects, prefix, place.check_file_name(piece.name, field="files")), None
    assert sink is not None
    if isinstance(piece, Data):
        await sink.write(piece.content)
        return sink, None
    return None, await sink.close()


class _Sink:
    """One object being written: at once where it is small, else in parts."""

    def __init__(self, objects: Objects, prefix: str, name: str) -> None:
        self._objects = objects
        self._key = prefix + name
        self._name = name
        self._buffer = bytearray()
        self._digest = hashlib.sha256()
        self._size = 0
        self._upload_id: str | None = None
        self._tags: dict[int, str] = {}

    async def write(self, content: bytes) -> None:
        self._buffer += content
        self._size += len(content)
        self._digest.update(content)
        if len(self._buffer) >= PART:
            await self._put_part()

    async def close(self) -> Stored:
        """Raises Invalid for an empty file."""
        if not self._size:
            raise Invalid([Violation("files", f"{self._name} is empty")])
        if self._upload_id is None:
            await self._objects.put_bytes(self._key, bytes(self._buffer))
        else:
            if self._buffer:
                await self._put_part()
            await self._objects.finish_upload(self._key, self._upload_id, self._tags)
        return Stored(self._name, self._size, self._digest.hexdigest())

    async def abort(self) -> None:
        if self._upload_id is not None:
            with suppress(Exception):
                await self._objects.abort_upload(self._key, self._upload_id)

    async def _put_part(self) -> None:
        if self._upload_id is None:
            self._upload_id = await self._objects.start_upload(self._key)
        number = len(self._tags) + 1
        part, self._buffer = bytes(self._buffer), bytearray()
        self._tags[number] = await self._objects.put_part(self._key, self._upload_id, number, part)


async def begin_parts(
    objects: Objects, storage: Storage, prefix: str, wanted: Wanted, *, now: datetime
) -> dict[str, Any]:
    """Begins an upload and signs an address for each of its parts. Raises Invalid."""
    key = prefix + place.check_file_name(wanted.name, field="name")
    if wanted.size > LARGEST_OBJECT:
        raise Invalid([Violation("size", f"may be at most {LARGEST_OBJECT} bytes")])
    part_size = max(SMALLEST_PART, -(-wanted.size // MOST_PARTS))
    upload = {"uploadId": await objects.start_upload(key)}

    def part(number: int) -> dict[str, Any]:
        query = upload | {"partNumber": str(number)}
        url = presign(storage, "PUT", key, now, LIFETIME, query=query)
        return {"part_number": number, "url": url}

    return {
        "name": wanted.name,
        "upload_id": upload["uploadId"],
        "part_size": part_size,
        "parts": [part(number) for number in range(1, -(-wanted.size // part_size) + 1)],
        "abort_url": presign(storage, "DELETE", key, now, LIFETIME, query=upload),
        "expires_in_seconds": int(LIFETIME.total_seconds()),
    }


async def abort_parts(objects: Objects, prefix: str, name: str, upload_id: str) -> None:
    """Gives up what was begun. Raises Invalid for a strange name."""
    key = prefix + place.check_file_name(name, field="name")
    with suppress(NotFound):
        await objects.abort_upload(key, upload_id)


async def join_parts(
    objects: Objects, prefix: str, name: str, upload_id: str, etags: dict[int, str]
) -> Stored:
    """Joins what was put to the parts' addresses; the same again finds it joined. Raises
    Invalid."""
    from botocore.exceptions import ClientError

    key = prefix + place.check_file_name(name, field="name")
    refused: str | None = None
    try:
        await objects.finish_upload(key, upload_id, etags)
    except NotFound:
        refused = "NoSuchUpload"
    except ClientError as wrong:
        refused = str(wrong.response.get("Error", {}).get("Code", ""))
        if refused not in UNJOINABLE:
            raise
    found = await objects.head(key) if refused in (None, "NoSuchUpload") else None
    if found is None:
        raise Invalid([Violation("parts", f"S3 cannot join them ({refused})")])
    return Stored(name, found.size, None)
