"""What was measured, drawn and packed, a little at each tick.

Running attempts are drawn each time that much has been told; an attempt that is over is drawn to
its end, and packed once nothing more can come. Each step is one transaction under the rows of its
attempts and moves what it read: a step that dies leaves everything as it was.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from common.jobs import course, outline, overview
from common.jobs.outline import Outline
from common.jobs.pack import Row, pack
from common.postgres import Connection, statement, transaction

Key = tuple[UUID, int]
Series = tuple[UUID, int, str]

ATTEMPTS = 50
BEATS = 500
# As stored, which is some times less than as text.
BYTES = 512 << 10
UNDRAWN_BYTES = 64 << 10
SETTLED = timedelta(minutes=5)
LONGEST = timedelta(seconds=5)


async def archive(pool: asyncpg.Pool, *, now: datetime, packed_after: timedelta) -> None:
    """Draws and packs what is due, for as long as there is time. Attempts are packed that long
    after their end: by then no token of theirs is valid."""
    clock = asyncio.get_running_loop().time
    deadline = clock() + LONGEST.total_seconds()
    while clock() < deadline and await draw(pool, now=now):
        pass
    while clock() < deadline and await pack_due(pool, now=now, before=now - packed_after):
        pass


async def draw(pool: asyncpg.Pool, *, now: datetime) -> bool:
    """One step of drawing; whether there was any."""
    before = now - SETTLED
    due = await pool.fetch(statement("due_outlines"), ATTEMPTS, before, UNDRAWN_BYTES)
    if not due:
        return False
    keys = [_key(row) for row in due]
    over = [row["over"] for row in due]
    async with transaction(pool) as connection:
        await connection.execute(statement("hold_courses"), *_columns(keys, 2))
        rows = await connection.fetch(
            statement("read_undrawn_of"), *_columns(keys, 2), over, before, BEATS, BYTES
        )
        await _draw(connection, rows)
        whole = _exhausted([key for key, ended in zip(keys, over, strict=True) if ended], rows)
        await connection.execute(statement("note_complete"), *_columns(whole, 2))
    return True


async def pack_due(pool: asyncpg.Pool, *, now: datetime, before: datetime) -> bool:
    """One step of packing; whether there was any."""
    due = await pool.fetch(statement("due_packs"), ATTEMPTS, before)
    if not due:
        return False
    keys = [_key(row) for row in due]
    async with transaction(pool) as connection:
        await connection.execute(statement("hold_courses"), *_columns(keys, 2))
        rows = await connection.fetch(
            statement("read_unpacked_of"), *_columns(keys, 2), BEATS, BYTES
        )
        await _draw(connection, [row for row in rows if not row["drawn"]])
        await _pack(connection, rows, now)
        await connection.execute(
            statement("note_packed"), *_columns(_exhausted(keys, rows), 2), now
        )
    return True


async def _draw(connection: Connection, rows: Sequence[Row]) -> None:
    if not rows:
        return
    names = sorted({(*_key(row), name) for row in rows for name in _names(row["body"])})
    was = await connection.fetch(statement("outlines_of"), *_columns(names, 3))
    drawn, told = await asyncio.to_thread(_drawn_further, rows, was)
    await connection.execute(
        statement("write_outlines"),
        *_columns(list(drawn), 3),
        [key in told for key in drawn],
        [outline.encode(each) for each in drawn.values()],
    )
    places = [(*_key(row), row["sequence"]) for row in rows]
    await connection.execute(statement("note_drawn"), *_columns(places, 3))


def _drawn_further(
    rows: Sequence[Row], was: Sequence[Row]
) -> tuple[dict[Series, Outline], set[Series]]:
    """The outlines that these heartbeats change, and which series are told point by point."""
    before: dict[Key, dict[overview.Series, Outline]] = defaultdict(dict)
    known: dict[Key, set[str]] = defaultdict(set)
    for row in was:
        before[_key(row)][row["attempt"], row["name"]] = outline.decode(row["outline"])
        known[_key(row)] |= {row["name"]} if row["told"] else set()
    drawn: dict[Series, Outline] = {}
    for key, mine in _by_attempt(rows).items():
        known[key] |= course.names_told(mine)
        points = [point for row in mine for point in course.points_of(row, known[key])]
        for (attempt, name), each in overview.draw(before[key], points).items():
            drawn[key[0], attempt, name] = each
    return drawn, {(*key, name) for key, names in known.items() for name in names}


async def _pack(connection: Connection, rows: Sequence[Row], now: datetime) -> None:
    packs = [
        (
            *key,
            mine[0]["sequence"],
            mine[-1]["sequence"],
            max(row["received_at"] for row in mine),
            await asyncio.to_thread(pack, mine),
        )
        for key, mine in _by_attempt(rows).items()
    ]
    places = [(*_key(row), row["sequence"]) for row in rows]
    await connection.execute(statement("insert_packs"), *_columns(packs, 6), now)
    await connection.execute(statement("delete_packed"), *_columns(places, 3))


def _exhausted(keys: Sequence[Key], rows: Sequence[Row]) -> list[Key]:
    """Those that have no rows, unless the rows of others filled the page before theirs."""
    if rows and rows[-1]["filled"] >= BYTES:
        return []
    found = {_key(row) for row in rows}
    return [key for key in keys if key not in found]


def _by_attempt(rows: Sequence[Row]) -> dict[Key, list[Row]]:
    found: dict[Key, list[Row]] = defaultdict(list)
    for row in rows:
        found[_key(row)].append(row)
    return found


def _names(body: dict[str, Any]) -> set[str]:
    return {*body.get("metrics", {}), *(point["name"] for point in body.get("points", ()))}


def _key(row: Row) -> Key:
    return row["job_id"], row["attempt"]


def _columns(rows: Sequence[Sequence[Any]], width: int) -> list[list[Any]]:
    return [[row[number] for row in rows] for number in range(width)]
