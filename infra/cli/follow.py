"""What happens to a job, as it happens, through restarts of the control plane."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from infra.cli.errors import ServerFault, Unreachable
from infra.cli.replies import TERMINAL, Job, LogLine, Point
from infra.cli.tail import Tail

if TYPE_CHECKING:
    from infra.cli.client import Client

INTERVAL = 1.0


@dataclass(frozen=True, slots=True)
class Progress:
    job: Job
    points: list[Point] = field(default_factory=list[Point])
    lines: list[LogLine] = field(default_factory=list[LogLine])


@dataclass(frozen=True, slots=True)
class Silence:
    """The control plane did not answer this time; it is asked again."""

    reason: str


def follow_job(
    client: Client,
    job_id: str,
    *,
    points: bool = True,
    logs: bool = False,
    interval: float = INTERVAL,
    sleep: Callable[[float], object] = time.sleep,
) -> Iterator[Progress | Silence]:
    """Ends with the job. Raises Refused; waits for as long as nobody answers."""
    point_rows = point_tail(client, job_id)
    line_rows = line_tail(client, job_id)
    while True:
        try:
            # The job is read first: what it told before its end is then there to be read.
            job = client.job(job_id)
            if points:
                point_rows.fill()
            if logs:
                line_rows.fill()
        except (Unreachable, ServerFault) as error:
            yield Silence(error.message)
        else:
            yield Progress(job, point_rows.take(), line_rows.take())
            if job["status"] in TERMINAL:
                return
        sleep(interval)


def point_tail(client: Client, job_id: str) -> Tail[Point]:
    def fetch(cursor: str | None) -> tuple[list[Point], str | None]:
        page = client.points(job_id, cursor=cursor)
        return page["points"], page["nextCursor"]

    def key(point: Point) -> Hashable:
        return point["attempt"], point["name"], point["step"], point["time"]

    return Tail(fetch, key)


def line_tail(client: Client, job_id: str) -> Tail[LogLine]:
    def fetch(cursor: str | None) -> tuple[list[LogLine], str | None]:
        page = client.logs(job_id, cursor=cursor)
        return page["lines"], page["nextCursor"]

    def key(line: LogLine) -> Hashable:
        return line["attempt"], line["stream"], line["offset"], line["text"]

    return Tail(fetch, key)
