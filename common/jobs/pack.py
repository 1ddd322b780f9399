"""Heartbeats as they are kept: a row each while they may still be added to, packed together once
their attempt is long over. Nothing is lost by packing."""

import zlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from common.postgres import Connection, statement

Row = Mapping[str, Any]
Place = tuple[int, int]

BYTES_A_PAGE = 4 << 20
PACKED_BYTES_A_PAGE = 1 << 20


class Beats(NamedTuple):
    """Some rows of heartbeats in their order, and after which place there may be more."""

    rows: list[Row]
    end: Place | None


async def read_beats(
    connection: Connection,
    job_id: UUID,
    *,
    after: Place,
    since: datetime | None,
    limit: int,
) -> Beats:
    """A page of a job's heartbeats beyond a place, packed or not, at most `limit` and not much
    more than BYTES_A_PAGE. Both kinds must be read of one snapshot."""
    packed, packed_end = await _read_packed(connection, job_id, after, since)
    plain, plain_end = await _read_plain(connection, job_id, after, since, limit)
    ends = [end for end in (packed_end, plain_end) if end is not None]
    found = sorted([*packed, *plain], key=place_of)
    if ends:
        found = [beat for beat in found if place_of(beat) <= min(ends)]
    if len(found) > limit:
        return Beats(found[:limit], place_of(found[limit - 1]))
    return Beats(found, min(ends, default=None))


async def _read_packed(
    connection: Connection, job_id: UUID, after: Place, since: datetime | None
) -> tuple[list[Row], Place | None]:
    rows = await connection.fetch(
        statement("read_packs"), job_id, *after, since, PACKED_BYTES_A_PAGE
    )
    beats = [beat for row in rows for beat in unpack(row["attempt"], row["beats"])]
    cut = bool(rows) and rows[-1]["filled"] >= PACKED_BYTES_A_PAGE
    wanted = [
        beat
        for beat in beats
        if place_of(beat) > after and (since is None or beat["received_at"] >= since)
    ]
    return wanted, place_of(beats[-1]) if cut else None


async def _read_plain(
    connection: Connection,
    job_id: UUID,
    after: Place,
    since: datetime | None,
    limit: int,
) -> tuple[list[Row], Place | None]:
    rows = await connection.fetch(
        statement("read_heartbeats"), job_id, *after, since, limit + 1, BYTES_A_PAGE
    )
    cut = len(rows) > limit or (bool(rows) and rows[-1]["filled"] >= BYTES_A_PAGE)
    return list(rows), place_of(rows[-1]) if cut else None


def pack(beats: Sequence[Row]) -> bytes:
    """Heartbeats of one attempt, compressed together."""
    return zlib.compress(msgspec.json.encode([_told(beat) for beat in beats]))


def unpack(attempt: int, content: bytes) -> list[Row]:
    """What was packed."""
    return [
        {"attempt": attempt, "sequence": sequence, "received_at": received_at, "body": body}
        for sequence, received_at, body in _DECODER.decode(zlib.decompress(content))
    ]


def place_of(beat: Row) -> Place:
    return beat["attempt"], beat["sequence"]


_told = itemgetter("sequence", "received_at", "body")
_DECODER = msgspec.json.Decoder(list[tuple[int, datetime, dict[str, Any]]])
