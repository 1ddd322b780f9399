"""Values as a person reads them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from eventrain_client.replies import Job
from eventrain_client.sizes import spell_size

STYLES = {
    "pending": "yellow",
    "queued": "yellow",
    "running": "cyan",
    "succeeded": "green",
    "failed": "red",
    "cancelled": "magenta",
}
_BARS = "▁▂▃▄▅▆▇█"


def status(word: str) -> str:
    return f"[{STYLES.get(word, 'default')}]{word}[/]"


def moment(text: str | None) -> datetime | None:
    """An ISO 8601 time; without an offset it is UTC."""
    if not text:
        return None
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        return None
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def clock(text: str | None) -> str:
    parsed = moment(text)
    return parsed.astimezone().strftime("%H:%M:%S") if parsed else "-"


def date(text: str | None) -> str:
    parsed = moment(text)
    return parsed.astimezone().strftime("%Y-%m-%d %H:%M:%S") if parsed else "-"


def age(text: str | None, now: datetime) -> str:
    """In one unit: 40s, 12m, 3h, 5d."""
    parsed = moment(text)
    if parsed is None:
        return "-"
    whole = max(0, int((now - parsed).total_seconds()))
    units = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))
    length, unit = next((each for each in units if whole >= each[0]), units[-1])
    return f"{whole // length}{unit}"


def duration(seconds: float) -> str:
    whole = max(0, int(seconds))
    for size, unit, below, smaller in ((86400, "d", 3600, "h"), (3600, "h", 60, "m")):
        if whole >= size:
            return f"{whole // size}{unit}{whole % size // below:02}{smaller}"
    return f"{whole // 60}m{whole % 60:02}s" if whole >= 60 else f"{whole}s"


def run_time(job: Job, now: datetime) -> str:
    started = moment(job.get("startedAt"))
    if started is None:
        return "-"
    return duration(((moment(job.get("completedAt")) or now) - started).total_seconds())


def size(count: int | None) -> str:
    return "-" if count is None else spell_size(count)


def number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def fraction(job: Job) -> float | None:
    """How far a job is, between 0 and 1."""
    if job["status"] == "succeeded":
        return 1.0
    progress = job.get("progress")
    return None if progress is None else min(max(float(progress), 0.0), 1.0)


def percent(job: Job) -> str:
    done = fraction(job)
    return "-" if done is None else f"{done:.0%}"


def sparkline(values: list[float | str], width: int = 24) -> str:
    """The course of a metric; what is no finite number leaves a gap."""
    taken = values[:: max(1, -(-len(values) // width))]
    finite = [float(value) for value in taken if isinstance(value, int | float)]
    if len(finite) < 2:
        return ""
    low, high = min(finite), max(finite)
    scale = (len(_BARS) - 1) / (high - low) if high > low else 0.0
    return "".join(
        _BARS[round((value - low) * scale)] if isinstance(value, int | float) else " "
        for value in taken
    )
