"""What the attempts of a job told, as far as it still counts.

An attempt goes on from a checkpoint of an earlier one, or begins anew. What counts is all that the
newest attempt tells that has begun; what the one told that it goes on from, up to that checkpoint;
and so on. All else was made anew: it is kept, and shown to whoever asks for it.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from common.postgres import Connection, statement

Row = Mapping[str, Any]
Step = int | float | None


@dataclass(frozen=True)
class Stretch:
    """How far the word of an attempt counts: up to a step, and of some series only before one."""

    upto: float = math.inf
    before: Mapping[str, float] = field(default_factory=dict[str, float])

    def counts(self, name: str, step: Step) -> bool:
        """Whether this point does; one that is nowhere does as long as nothing speaks against it."""
        if step is None:
            return name not in self.before
        if step > self.upto:
            return False
        return name not in self.before or step < self.before[name]

    def cut(self, resumed: Mapping[str, Any]) -> "Stretch":
        """What is left of it when an attempt goes on like this."""
        begins: Mapping[str, float] = resumed.get("begins") or {}
        before = dict(self.before)
        for name, step in begins.items():
            before[name] = min(step, before.get(name, step))
        return Stretch(min(self.upto, _position(resumed)), before)


@dataclass(frozen=True)
class Thread:
    """The attempts whose word counts, and how far; None: all of every one."""

    stretches: Mapping[int, Stretch] | None = None

    @property
    def attempts(self) -> list[int] | None:
        return None if self.stretches is None else sorted(self.stretches)

    def counts(self, attempt: int, name: str, step: Step) -> bool:
        if self.stretches is None:
            return True
        stretch = self.stretches.get(attempt)
        return stretch is not None and stretch.counts(name, step)

    def skip(self, place: tuple[int, int]) -> tuple[int, int] | None:
        """The place to read on from, past attempts that do not count; None behind the last."""
        attempts = self.attempts
        if attempts is None or place[0] in attempts:
            return place
        later = [attempt for attempt in attempts if attempt > place[0]]
        return (later[0], -1) if later else None


ALL = Thread()


async def read_thread(connection: Connection, job_id: UUID) -> Thread:
    """What counts now."""
    return follow(await connection.fetch(statement("read_resumptions"), job_id))


def of_attempt(attempt: int) -> Thread:
    """All that one attempt told."""
    return Thread({attempt: Stretch()})


def follow(rows: Iterable[Row]) -> Thread:
    """The thread through these attempts. One of which nobody noted where it began, as before that
    was noted, goes on from the one before and takes nothing of it away."""
    known = {row["attempt"]: row for row in rows}
    if len(known) < 2:
        return ALL
    attempt = max((a for a, row in known.items() if row["begun"]), default=max(known))
    stretches: dict[int, Stretch] = {}
    stretch = Stretch()
    while attempt in known and attempt not in stretches:
        stretches[attempt] = stretch
        resumed: Mapping[str, Any] | None = known[attempt]["resumed_from"]
        if resumed is None:
            attempt -= 1
            continue
        if resumed.get("attempt") is None or resumed["attempt"] >= attempt:
            break
        stretch, attempt = stretch.cut(resumed), resumed["attempt"]
    return Thread(stretches)


def _position(resumed: Mapping[str, Any]) -> float:
    """Where a checkpoint stands, as points say it: by its step, else by its epoch."""
    step, epoch = resumed.get("step"), resumed.get("epoch")
    found = epoch if step is None else step
    return math.inf if found is None else found
