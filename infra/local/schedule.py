"""Cron schedules as a PingSource takes them: five fields, or six with seconds first."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from infra.local.problem import ManifestProblem

MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec"
DAYS = "sun mon tue wed thu fri sat"
SHORTHANDS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
RANGES = ((0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
FIELD = re.compile(r"(\*|\w+)(?:-(\w+))?(?:/(\d+))?")
FARTHEST = timedelta(days=5 * 366)


@dataclass(frozen=True)
class Schedule:
    seconds: frozenset[int]
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    # Both restricted: either will do, as cron has it.
    either_day: bool

    def after(self, now: datetime, zone: tzinfo) -> datetime:
        """The next moment that fits; hours that the zone skips are skipped."""
        moment = now.astimezone(zone).replace(microsecond=0, tzinfo=None) + timedelta(seconds=1)
        end = moment + FARTHEST
        while moment < end:
            later = self._skip(moment)
            if later is None:
                found = moment.replace(tzinfo=zone)
                if found > now:
                    return found
                later = moment + timedelta(seconds=1)
            moment = later
        raise ManifestProblem("The schedule of a PingSource never comes true.")

    def _skip(self, moment: datetime) -> datetime | None:
        """The start of the next larger unit where this one does not fit."""
        if moment.month not in self.months:
            return (moment.replace(day=1, hour=0, minute=0, second=0) + timedelta(days=32)).replace(
                day=1
            )
        if not self._fits_day(moment):
            return moment.replace(hour=0, minute=0, second=0) + timedelta(days=1)
        if moment.hour not in self.hours:
            return moment.replace(minute=0, second=0) + timedelta(hours=1)
        if moment.minute not in self.minutes:
            return moment.replace(second=0) + timedelta(minutes=1)
        if moment.second not in self.seconds:
            return moment + timedelta(seconds=1)
        return None

    def _fits_day(self, moment: datetime) -> bool:
        day, weekday = moment.day in self.days, moment.isoweekday() % 7 in self.weekdays
        return day or weekday if self.either_day else day and weekday


@dataclass(frozen=True)
class Interval:
    """`@every 30s`."""

    length: timedelta

    def after(self, now: datetime, zone: tzinfo) -> datetime:
        return now + self.length


def read(text: str) -> Schedule | Interval:
    if text.startswith("@every "):
        return Interval(_length(text.removeprefix("@every ").strip()))
    fields = SHORTHANDS.get(text, text).lower().split()
    fields = ["0", *fields] if len(fields) == 5 else fields
    if len(fields) != 6:
        raise ManifestProblem(f"The schedule {text!r} has not five or six fields.")
    try:
        sets = [_values(field, index) for index, field in enumerate(fields)]
    except (ValueError, KeyError, AttributeError) as problem:
        raise ManifestProblem(f"The schedule {text!r} cannot be read.") from problem
    either = not fields[3].startswith(("*", "?")) and not fields[5].startswith(("*", "?"))
    return Schedule(*sets, either_day=either)


def _length(text: str) -> timedelta:
    found = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?", text)
    if found is None or not text:
        raise ManifestProblem(f"The schedule '@every {text}' cannot be read.")
    hours, minutes, seconds = (float(part or 0) for part in found.groups())
    return timedelta(hours=hours, minutes=minutes, seconds=seconds)


def _values(field: str, index: int) -> frozenset[int]:
    return frozenset(value for part in field.split(",") for value in _part(part, index))


def _part(part: str, index: int) -> Iterable[int]:
    low, high = RANGES[index]
    found = FIELD.fullmatch(part.replace("?", "*"))
    if found is None:
        raise ValueError(part)
    first, last, step = found.groups()
    if first == "*":
        start, end = low, high
    else:
        start = _number(first, index)
        end = _number(last, index) if last else (high if step else start)
    if not (low <= start <= end <= high) or step == "0":
        raise ValueError(part)
    return range(start, end + 1, int(step or 1))


def _number(text: str, index: int) -> int:
    names, first = {4: (MONTHS.split(), 1), 5: (DAYS.split(), 0)}.get(index, ([], 0))
    number = names.index(text) + first if text in names else int(text)
    return 0 if index == 5 and number == 7 else number
