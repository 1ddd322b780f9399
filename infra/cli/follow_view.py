"""A job that is followed: a picture that moves, plain lines, or lines of JSON."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING, Any

from eventrain_client.follow import Update
from eventrain_client.replies import Job, LogLine, Point

from infra.cli import words

if TYPE_CHECKING:
    from rich.console import RenderableType

    from infra.cli.output import Output

# As many of a metric's last points as a moving picture has use for.
COURSE = 500


def show_progress(updates: Iterable[Update], output: Output) -> Job:
    """Shows every update and answers the job as it ended."""
    if output.as_json:
        return _as_json(updates, output)
    return _as_picture(updates, output) if output.live else _as_lines(updates, output)


def show_logs(updates: Iterable[Update], output: Output) -> Job:
    job: Job | None = None
    silent = False
    for update in updates:
        job, silent = update.job, tell_silence(update, silent, output)
        show_lines(update.lines, output)
    return ended(job)


def show_lines(lines: Iterable[LogLine], output: Output) -> None:
    for line in lines:
        if output.as_json:
            output.data_line(line)
        else:
            output.raw(line["text"])


def _as_json(updates: Iterable[Update], output: Output) -> Job:
    shown: Job | None = None
    for update in updates:
        if update.silence:
            output.data_line({"notice": update.silence})
            continue
        if update.points:
            output.data_line({"points": update.points})
        if update.job != shown:
            shown = update.job
            output.data_line({"job": shown})
    return ended(shown)


def _as_lines(updates: Iterable[Update], output: Output) -> Job:
    job: Job | None = None
    last: dict[str, Any] = {}
    shown: tuple[object, ...] = ()
    silent = False
    for update in updates:
        job, silent = update.job, tell_silence(update, silent, output)
        last |= {point["name"]: point["value"] for point in update.points}
        waits = job.get("waitingFor")
        state = (job["status"], job.get("attempt"), job.get("health"), words.percent(job), waits)
        if state != shown or update.points:
            output.line(_line(job, last))
        shown = state
    return ended(job)


def _as_picture(updates: Iterable[Update], output: Output) -> Job:
    from rich.live import Live

    job: Job | None = None
    courses: dict[str, deque[Point]] = {}
    with Live(console=output.console, refresh_per_second=8) as live:
        for update in updates:
            job = update.job
            for point in update.points:
                lengthen(courses.setdefault(point["name"], deque(maxlen=COURSE)), point)
            notice = f"{update.silence} Trying again." if update.silence else ""
            live.update(_picture(job, courses, notice))
    return ended(job)


def lengthen(course: deque[Point], point: Point) -> None:
    """What an earlier attempt told beyond the place where this one goes on is made anew."""
    step = point["step"]
    while course and step is not None and course[-1]["attempt"] < point["attempt"]:
        told = course[-1]["step"]
        if told is not None and told < step:
            break
        course.pop()
    course.append(point)


def _picture(job: Job | None, courses: dict[str, deque[Point]], notice: str) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    from infra.cli import tables

    parts: list[RenderableType] = []
    if job is not None:
        parts.append(_bar(job))
    if courses:
        parts.append(tables.metrics(list(chain.from_iterable(courses.values()))))
    if notice:
        parts.append(Text(notice, style="yellow"))
    return Group(*parts)


def _bar(job: Job) -> RenderableType:
    from rich.progress_bar import ProgressBar
    from rich.table import Table

    done = words.fraction(job)
    running = job["status"] == "running"
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_row(
        words.status(job["status"]),
        ProgressBar(total=1.0, completed=done or 0.0, pulse=running and done is None, width=32),
        words.percent(job) if done is not None else "",
        words.run_time(job, datetime.now(UTC)),
        _remark(job),
    )
    return grid


def _line(job: Job, metrics: dict[str, Any]) -> str:
    measured = " ".join(f"{name}={words.number(value)}" for name, value in metrics.items())
    time = datetime.now(UTC).astimezone().strftime("%H:%M:%S")
    parts = (time, job["status"], words.percent(job), _remark(job), measured)
    return "  ".join(part for part in parts if part and part != "-")


def _remark(job: Job) -> str:
    from infra.cli.tables import words_of_health

    marks: list[str] = []
    attempt = job.get("attempt") or 1
    if attempt > 1:
        marks.append(f"attempt {attempt}")
    health = words_of_health(job.get("health"))
    if job["status"] in {"queued", "running"} and health not in {"", "alive"}:
        marks.append(health)
    if job["status"] in {"pending", "queued"} and job.get("waitingFor"):
        marks.append(f"waiting for {job.get('waitingFor')}")
    return ", ".join(marks)


def tell_silence(update: Update, already: bool, output: Output) -> bool:
    """Once for each time that nobody answers; whether that is so."""
    if update.silence and not already:
        output.notice(f"{update.silence} Trying again until it does; Ctrl-C stops this only.")
    return update.silence is not None


def ended(job: Job | None) -> Job:
    assert job is not None, "a job that is followed is read at least once"
    return job
