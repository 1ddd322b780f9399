"""What is new about jobs since a place in their stories, for any number of jobs at once."""

import heapq
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import takewhile
from typing import Any, NamedTuple
from uuid import UUID

from common.jobs import course, history
from common.live.message import Message, tell
from common.live.place import Place
from common.postgres import Queryable, statement

Row = Mapping[str, Any]

LINES = 50
BEATS = 20
BYTES = 128 << 10


@dataclass
class Stand:
    """How far a story is read. `told` are the names that the trainer tells point by point."""

    job_id: UUID
    place: Place
    told: set[str] = field(default_factory=set[str])


class News(NamedTuple):
    """Messages in order, the place behind the last of them, and whether there are more."""

    messages: Sequence[Message]
    place: Place
    more: bool


async def read_changed(
    connection: Queryable, versions: Mapping[UUID, str | None]
) -> dict[UUID, Row]:
    """The rows of those jobs whose version is another one, as reading.find_job gives them."""
    rows = await connection.fetch(
        statement("watch_jobs"), list(versions), [versions[job_id] for job_id in versions]
    )
    return {row["id"]: row for row in rows}


async def read_news(
    connection: Queryable, stands: Sequence[Stand], rows: Mapping[UUID, Row]
) -> dict[UUID, News]:
    """What each has not heard yet, in two statements. `rows` were read before: all that they
    count among the reports is there by now, logs included, which are not told here."""
    lines = _by_job(await _read_lines(connection, stands))
    beats = _by_job(await _read_beats(connection, stands))
    found: dict[UUID, News] = {}
    for stand in stands:
        job_id = stand.job_id
        reported = rows[job_id]["reported"] if job_id in rows else 0
        found[job_id] = _news(stand, lines[job_id], beats[job_id], reported or 0)
    return found


async def _read_lines(connection: Queryable, stands: Sequence[Stand]) -> Sequence[Row]:
    places = [stand.place for stand in stands]
    return await connection.fetch(
        statement("watch_timelines"),
        [stand.job_id for stand in stands],
        [place.change for place in places],
        [place.report for place in places],
        LINES,
    )


async def _read_beats(connection: Queryable, stands: Sequence[Stand]) -> Sequence[Row]:
    places = [stand.place for stand in stands]
    return await connection.fetch(
        statement("watch_heartbeats"),
        [stand.job_id for stand in stands],
        [place.attempt for place in places],
        [place.beat for place in places],
        BEATS,
        BYTES,
    )


def _by_job(rows: Sequence[Row]) -> dict[UUID, list[Row]]:
    found: dict[UUID, list[Row]] = defaultdict(list)
    for row in rows:
        found[row["job_id"]].append(row)
    return found


def _news(stand: Stand, lines: Sequence[Row], beats: Sequence[Row], reported: int) -> News:
    full = len(beats) == BEATS or (bool(beats) and beats[-1]["filled"] >= BYTES)
    until = beats[-1]["received_at"] if full else None
    changes, all_changes = _not_after(until, [row for row in lines if row["kind"] == 0])
    reports, all_reports = _not_after(until, [row for row in lines if row["kind"] == 1])
    stand.told |= course.names_told(beats)
    # Each kind keeps the order of its numbers, whatever the clocks of those who wrote them said.
    merged = heapq.merge(
        _tell_lines(changes), _tell_lines(reports), _tell_beats(beats, stand.told), key=_time
    )
    place = stand.place
    if changes:
        place = place._replace(change=changes[-1]["number"])
    last_report = reports[-1]["number"] if reports else place.report
    place = place._replace(report=max(last_report, reported if all_reports else 0))
    if beats:
        place = place._replace(attempt=beats[-1]["attempt"], beat=beats[-1]["sequence"])
    more = full or not all_reports or not all_changes
    return News([message for _, message in merged], place, more)


def _not_after(until: datetime | None, rows: Sequence[Row]) -> tuple[Sequence[Row], bool]:
    """The first of these lines, and whether that is all. What came after a heartbeat that waits for
    the next read waits with it: the end of a job is told behind its last points."""
    kept = [*takewhile(lambda row: until is None or row["at"] <= until, rows)]
    return kept, len(kept) == len(rows) < LINES


def _time(told: tuple[datetime, Message]) -> datetime:
    return told[0]


def _tell_lines(rows: Sequence[Row]) -> Iterator[tuple[datetime, Message]]:
    for row in rows:
        number = {"change" if row["kind"] == 0 else "report": row["number"]}
        yield row["at"], tell("change", history.change(row, _unsigned), **number)


def _tell_beats(rows: Sequence[Row], told: set[str]) -> Iterator[tuple[datetime, Message]]:
    for row in rows:
        points = course.points_of(row, told)
        if points:
            beat = (row["attempt"], row["sequence"])
            yield row["received_at"], tell("points", {"points": points}, beat=beat)


def _unsigned(uri: str) -> None:
    return None
