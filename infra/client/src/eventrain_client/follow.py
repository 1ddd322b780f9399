"""What happens to a job, as it happens, through restarts of the control plane."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

from eventrain_client.errors import NotEnded, Refused, ServerFault, Unreachable
from eventrain_client.exchange import Exchange, Told
from eventrain_client.flow import Course, Flow, Item, Sleep
from eventrain_client.replies import TERMINAL, Change, Job, LogLine, Point
from eventrain_client.tail import Tail

INTERVAL = 1.0
PAUSE = (0.5, 1.5)


@dataclass(frozen=True, slots=True)
class Update:
    """The job as it is now, and what is new of it. With `silence` nobody could be heard this time,
    and why; it is asked again."""

    job: Job
    points: list[Point] = field(default_factory=list[Point])
    changes: list[Change] = field(default_factory=list[Change])
    lines: list[LogLine] = field(default_factory=list[LogLine])
    silence: str | None = None


@dataclass(frozen=True, slots=True)
class Parts:
    """What is read beside the job itself."""

    points: bool = True
    changes: bool = False
    logs: bool = False


def path_of(job_id: str) -> str:
    return f"/training/jobs/{job_id}"


def read_job(exchange: Exchange, job_id: str) -> Flow[Job]:
    return exchange.ask("GET", path_of(job_id))


def follow(exchange: Exchange, job_id: str, parts: Parts, interval: float) -> Course[Update]:
    """By asking again and again: all there is from the beginning, each row once. Ends with the
    job. Raises Refused, and at the first reading Unreachable and ServerFault."""
    job = yield from read_job(exchange, job_id)
    tails = _Tails(exchange, job_id, parts)
    while True:
        try:
            # The job was read before: what it told before its end is then there to be read.
            yield from tails.fill()
        except (Unreachable, ServerFault) as error:
            yield Item(Update(job, silence=error.message))
        else:
            yield Item(tails.take(job))
            if job["status"] in TERMINAL:
                return
        yield Sleep(interval)
        job = yield from _read_again(exchange, job)


def watch(exchange: Exchange, job_id: str) -> Course[Update]:
    """By the stream: every change from the beginning, and points from now on, as they happen. Where
    nothing is streamed, by asking. Ends with the job, raises as `follow` does."""
    heard = _Heard((yield from read_job(exchange, job_id)))
    while not heard.over:
        try:
            stream = yield from exchange.listen(f"{path_of(job_id)}/live", last=heard.last)
            heard.begin()
            while not heard.over and (told := (yield from stream.next())) is not None:
                update = heard.take(told)
                if update is not None:
                    yield Item(update)
        except Unreachable as error:
            yield Item(Update(heard.job, silence=error.message))
        except (Refused, ServerFault) as away:
            if not is_absent(away):
                raise
            yield from follow(exchange, job_id, Parts(changes=True), INTERVAL)
            return
        if not heard.over:
            yield Sleep(random.uniform(*PAUSE))


def wait(exchange: Exchange, job_id: str, seconds: float | None, interval: float) -> Flow[Job]:
    """Until the job has ended, whether the control plane is there or not. Raises NotEnded."""
    job = yield from read_job(exchange, job_id)
    deadline = None if seconds is None else time.monotonic() + seconds
    while job["status"] not in TERMINAL:
        left = interval if deadline is None else deadline - time.monotonic()
        if deadline is not None and left <= 0:
            raise NotEnded(f"{job_id} is {job['status']} after {seconds} s.", job=job)
        yield Sleep(min(interval, left))
        job = yield from _read_again(exchange, job)
    return job


def _read_again(exchange: Exchange, job: Job) -> Flow[Job]:
    """As it was, while nobody answers."""
    try:
        return (yield from read_job(exchange, job["id"]))
    except (Unreachable, ServerFault):
        return job


def is_absent(error: Refused | ServerFault) -> bool:
    """An older installation has no such path; something in between may not let a stream pass."""
    return isinstance(error, ServerFault) or error.status in {404, 405}


def point_tail(exchange: Exchange, job_id: str) -> Tail[Point]:
    def key(point: Point) -> Hashable:
        return point["attempt"], point["name"], point["step"], point["time"]

    return _tail(exchange, job_id, "points", "points", key)


def line_tail(exchange: Exchange, job_id: str) -> Tail[LogLine]:
    def key(line: LogLine) -> Hashable:
        return line["attempt"], line["stream"], line["offset"], line["text"]

    return _tail(exchange, job_id, "logs", "lines", key)


def change_tail(exchange: Exchange, job_id: str) -> Tail[Change]:
    def key(change: Change) -> Hashable:
        return change["type"], change["sequence"]

    return _tail(exchange, job_id, "timeline", "timeline", key)


def _tail(
    exchange: Exchange, job_id: str, below: str, name: str, key: Callable[[Any], Hashable]
) -> Tail[Any]:
    path = f"{path_of(job_id)}/{below}"
    return Tail(lambda cursor: exchange.page(path, name, {"cursor": cursor}), key)


class _Tails:
    def __init__(self, exchange: Exchange, job_id: str, parts: Parts) -> None:
        self._points = point_tail(exchange, job_id) if parts.points else None
        self._changes = change_tail(exchange, job_id) if parts.changes else None
        self._lines = line_tail(exchange, job_id) if parts.logs else None

    def fill(self) -> Flow[None]:
        for tail in (self._points, self._changes, self._lines):
            if tail is not None:
                yield from tail.fill()

    def take(self, job: Job) -> Update:
        points = self._points.take() if self._points else []
        changes = self._changes.take() if self._changes else []
        lines = self._lines.take() if self._lines else []
        return Update(job, points, changes, lines)


class _Heard:
    """What a stream told so far. Points and changes are kept for the job that comes behind them."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.last: str | None = None
        self.over = False
        self._number = 0
        self._points: list[Point] = []

    def begin(self) -> None:
        """Each stream begins with the job; what was missed of it comes behind that."""
        self._number = 0

    def take(self, told: Told) -> Update | None:
        self.last, self._number = told.id or self.last, self._number + 1
        match told.event:
            case "points":
                self._points += told.data["points"]
            case "change":
                return Update(self.job, changes=[told.data])
            case "job":
                self.job = told.data
                self.over = self._number > 1 and self.job["status"] in TERMINAL
                points, self._points = self._points, []
                return Update(self.job, points)
            case "end":
                self.over = told.data["reason"] == "over"
            case _:
                pass
        return None
