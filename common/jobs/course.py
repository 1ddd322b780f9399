"""The course of a job's metrics, read out of the history of its heartbeats."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from typing_extensions import TypedDict

from common import cursor
from common.cursor import Big, Small
from common.jobs.pack import Beats, place_of, read_beats
from common.jobs.resumption import ALL, Thread
from common.postgres import Connection

Row = Mapping[str, Any]

BEATS_A_PAGE = 500
POINTS_A_PAGE = 20_000


class Point(TypedDict):
    """One value; a number or "NaN", "Infinity", "-Infinity"."""

    name: str
    value: float | str
    step: int | float | None
    time: datetime
    attempt: int


@dataclass(frozen=True)
class Wanted:
    """Which points: of these names, from this instant on, of each series no more than
    `resolution`, after a page; of those that count."""

    names: frozenset[str] | None = None
    since: datetime | None = None
    resolution: int | None = None
    after: str | None = None
    thread: Thread = ALL


@dataclass(frozen=True)
class Course:
    """Some points, and where the next ones begin."""

    points: list[Point]
    next_cursor: str | None


async def read_course(connection: Connection, job_id: UUID, wanted: Wanted) -> Course:
    """A page of all points, in the order in which the trainer told them. The connection must show
    one snapshot. Raises Invalid for a bad cursor."""
    rows, end = await _read_page(connection, job_id, wanted)
    points: list[Point] = []
    told = names_told(rows)
    for index, row in enumerate(rows):
        if len(points) >= POINTS_A_PAGE:
            end = place_of(rows[index - 1])
            break
        points += [p for p in points_of(row, told, wanted.names) if counts(p, wanted.thread)]
    return Course(points, None if end is None else cursor.write(*end))


async def _read_page(connection: Connection, job_id: UUID, wanted: Wanted) -> Beats:
    place = wanted.thread.skip(cursor.read(wanted.after, tuple[Small, Big]) or (0, -1))
    if place is None:
        return Beats([], None)
    rows, end = await read_beats(
        connection, job_id, after=place, since=wanted.since, limit=BEATS_A_PAGE
    )
    return Beats(rows, None if end is None else wanted.thread.skip(end))


def counts(point: Point, thread: Thread) -> bool:
    """Whether a point counts, or was made anew by a later attempt."""
    return thread.counts(point["attempt"], point["name"], point["step"])


def names_told(rows: Iterable[Row]) -> set[str]:
    """The metrics that these heartbeats tell point by point."""
    return {point["name"] for row in rows for point in row["body"].get("points", ())}


def points_of(row: Row, told: Collection[str], names: Collection[str] | None = None) -> list[Point]:
    """The points of one heartbeat. `metrics` are the latest values: of a name that is told point
    by point (`told`) they say nothing new."""
    body: dict[str, Any] = row["body"]
    step = body.get("step", body.get("epoch"))
    latest = [(n, v, step, None) for n, v in body.get("metrics", {}).items() if n not in told]
    points = body.get("points", ())
    exact = [(p["name"], p["value"], p.get("step"), p.get("time")) for p in points]
    return [
        Point(
            name=name,
            value=value,
            step=at_step,
            time=_instant(time) or row["received_at"],
            attempt=row["attempt"],
        )
        for name, value, at_step, time in (*latest, *exact)
        if names is None or name in names
    ]


def _instant(time: str | None) -> datetime | None:
    """The trainer's own time of a point, where it gave one that can be read."""
    try:
        found = datetime.fromisoformat(time) if time else None
    except ValueError:
        return None
    return found if found is not None and found.tzinfo is not None else None
