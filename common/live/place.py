"""Where a watcher stands in the story of one job: what it was sent last.

Written as `change.report.attempt.beat`, it is the id of every message of a job's stream.
"""

import re
from typing import NamedTuple

from common.errors import Invalid, Violation

WRITTEN = re.compile(r"(\d{1,19})\.(\d{1,19})\.(\d{1,10})\.(-1|\d{1,19})", re.ASCII)
LARGEST = 2**63 - 1
LARGEST_ATTEMPT = 2**31 - 1


class Place(NamedTuple):
    """The last state change and report by their numbers, the last heartbeat by attempt and
    sequence. Nothing was sent yet where it begins."""

    change: int = 0
    report: int = 0
    attempt: int = 0
    beat: int = -1

    def __str__(self) -> str:
        return f"{self.change}.{self.report}.{self.attempt}.{self.beat}"

    @classmethod
    def read(cls, text: str) -> "Place":
        """Raises Invalid for what no stream of a job gave out."""
        found = WRITTEN.fullmatch(text)
        place = cls(*map(int, found.groups())) if found else None
        if place is None or max(place) > LARGEST or place.attempt > LARGEST_ATTEMPT:
            raise Invalid([Violation("Last-Event-ID", "is not the id of a message of this stream")])
        return place

    def common_with(self, other: "Place") -> "Place":
        """What both have been sent."""
        return Place(
            min(self.change, other.change),
            min(self.report, other.report),
            *min((self.attempt, self.beat), (other.attempt, other.beat)),
        )
