"""A job's metrics from afar: each series in no more points than asked, the extremes among them.

What status-sync has drawn is read as it was drawn; the heartbeats since then are few, and are
drawn here. Where it has drawn nothing yet, all of them are: that is right, and slow.
"""

from collections import defaultdict
from collections.abc import AsyncGenerator, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

from common import cursor
from common.cursor import Small, Text
from common.envelope import spell_number
from common.jobs import course, outline
from common.jobs.course import POINTS_A_PAGE, Course, Point, Wanted
from common.jobs.outline import Mark, Outline
from common.jobs.pack import Row
from common.jobs.resumption import Thread
from common.postgres import Connection, statement

Series = tuple[int, str]
Told = tuple[int | float | None, int, float]

BEATS_AT_ONCE = 1000
# As stored, which is some times less than as text.
BYTES_AT_ONCE = 512 << 10
SERIES_A_PAGE = 100
DRAWN_BYTES_A_PAGE = 4 << 20
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


async def read_overview(connection: Connection, job_id: UUID, wanted: Wanted, most: int) -> Course:
    """A page of series, by attempt and name, each in its order. From an instant on: as exactly as
    asked where that is little, else what the outline has of it. The connection must show one
    snapshot. Raises Invalid for a bad cursor."""
    after = cursor.read(wanted.after, tuple[Small, Text])
    if wanted.since is not None:
        few = Wanted(wanted.names, wanted.since, thread=wanted.thread)
        recent = await course.read_course(connection, job_id, few)
        if recent.next_cursor is None:
            return _page(draw({}, recent.points), after, wanted, most)
    drawn, end = await _read_drawn(connection, job_id, after, wanted)
    async for points in _read_undrawn(connection, job_id, wanted):
        drawn |= draw(drawn, (p for p in points if end is None or _series(p) <= end))
    return _page(drawn, after, wanted, most, end)


def draw(drawn: dict[Series, Outline], points: Iterable[Point]) -> dict[Series, Outline]:
    """The outlines of those series that have points among these, further than they were drawn."""
    told: dict[Series, list[Told]] = defaultdict(list)
    for point in points:
        time = _microseconds(point["time"])
        told[_series(point)].append((point["step"], time, float(point["value"])))
    return {key: drawn.get(key, Outline()).extended(more) for key, more in told.items()}


async def _read_drawn(
    connection: Connection, job_id: UUID, after: Series | None, wanted: Wanted
) -> tuple[dict[Series, Outline], Series | None]:
    """The outlines beyond a place, and the last one where there are more."""
    rows = await connection.fetch(
        statement("read_outlines"),
        job_id,
        *(after or (0, "")),
        None if wanted.names is None else list(wanted.names),
        SERIES_A_PAGE,
        DRAWN_BYTES_A_PAGE,
        wanted.thread.attempts,
    )
    drawn = {(row["attempt"], row["name"]): outline.decode(row["outline"]) for row in rows}
    cut = len(rows) == SERIES_A_PAGE or (rows and rows[-1]["filled"] >= DRAWN_BYTES_A_PAGE)
    return drawn, max(drawn) if cut else None


async def _read_undrawn(
    connection: Connection, job_id: UUID, wanted: Wanted
) -> AsyncGenerator[list[Point]]:
    """The points since, some at a time."""
    place = (0, -1)
    told = {row["name"] for row in await connection.fetch(statement("read_told_names"), job_id)}
    while True:
        rows: Sequence[Row] = await connection.fetch(
            statement("read_undrawn"),
            job_id,
            *place,
            BEATS_AT_ONCE,
            BYTES_AT_ONCE,
            wanted.thread.attempts,
        )
        told |= course.names_told(rows)
        yield [point for row in rows for point in course.points_of(row, told, wanted.names)]
        if len(rows) < BEATS_AT_ONCE and (not rows or rows[-1]["filled"] < BYTES_AT_ONCE):
            return
        place = (rows[-1]["attempt"], rows[-1]["sequence"])


def _page(
    drawn: dict[Series, Outline],
    after: Series | None,
    wanted: Wanted,
    most: int,
    end: Series | None = None,
) -> Course:
    since = None if wanted.since is None else _microseconds(wanted.since)
    keys = sorted(key for key in drawn if after is None or key > after)
    points: list[Point] = []
    for key in keys:
        counted = partial(_counts, wanted.thread, key)
        points += [_point(key, mark) for mark in drawn[key].thinned(most, since, counted)]
        if len(points) >= POINTS_A_PAGE and key != keys[-1]:
            return Course(points, cursor.write(*key))
    return Course(points, None if end is None else cursor.write(*end))


def _counts(thread: Thread, series: Series, mark: Mark) -> bool:
    return thread.counts(*series, mark.step)


def _point(series: Series, mark: Mark) -> Point:
    attempt, name = series
    return {
        "name": name,
        "value": spell_number(mark.value),
        "step": mark.step,
        "time": EPOCH + mark.time * MICROSECOND,
        "attempt": attempt,
    }


def _microseconds(time: datetime) -> int:
    since = time - EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _series(point: Point) -> Series:
    return point["attempt"], point["name"]
