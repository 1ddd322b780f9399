"""How often a caller may call: so many calls of a route in a window, counted by all instances.

An instance takes a slice of what is left from the window's row and spends it without asking, so
that a read does not cost a statement each. A slice dies with its window: what is given out is never
more than the limit.
"""

import asyncio
import logging
import math
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import asyncpg
import msgspec

from common.errors import TooMany
from common.postgres import FAULTS, statement

# Of a window's calls an instance takes a fiftieth at a time: small limits one by one.
SLICES = 50
MOST_CALLERS = 10_000
# Without Postgres nobody is counted, and it is not asked again for so long.
BLIND_SECONDS = 5.0
PATIENCE = 1.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Rate:
    """So many calls in so many seconds."""

    calls: int
    seconds: int


@dataclass(frozen=True, slots=True)
class Granted:
    """Calls that an instance may let pass before this moment of its own clock."""

    calls: int
    remaining: float


Take = Callable[[str, str, Rate, int], Awaitable[Granted]]


@dataclass
class _Slice:
    left: int = 0
    until: float = float("-inf")
    exhausted: bool = False
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)


class Rates:
    """The limits of one instance. A rule is `METHOD /path`, else `METHOD`, else `*`, and each is
    counted by itself."""

    def __init__(
        self,
        rules: Mapping[str, Rate],
        take: Take,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rules = rules
        self._take = take
        self._clock = clock
        self._slices: dict[tuple[str, str], _Slice] = {}
        self._blind_until = float("-inf")

    async def spend(self, caller: str, method: str, path: str) -> None:
        """Raises TooMany, which says when the window is over. Where Postgres cannot be asked the
        call passes: a limit protects, and must not be an outage of its own."""
        named = (f"{method} {path}", method, "*")
        rule = next((each for each in named if each in self._rules), None)
        if rule is None:
            return
        held = self._slice(caller, rule)
        async with held.asking:
            if self._clock() >= held.until:
                held.left, held.exhausted = 0, False
            unknown = held.left == 0 and not held.exhausted
            if unknown and not await self._refill(held, caller, rule):
                return
            if held.left == 0:
                wait = math.ceil(held.until - self._clock())
                raise TooMany("Too many calls; the limit is by caller.", retry_after=max(1, wait))
            held.left -= 1

    async def _refill(self, held: _Slice, caller: str, rule: str) -> bool:
        """Whether it is known now what may pass."""
        asked_at = self._clock()
        if asked_at < self._blind_until:
            return False
        rate = self._rules[rule]
        try:
            async with asyncio.timeout(PATIENCE):
                granted = await self._take(caller, rule, rate, -(-rate.calls // SLICES))
        except FAULTS as wrong:
            _log.warning("calls are not counted just now: %r", wrong)
            self._blind_until = asked_at + BLIND_SECONDS
            return False
        # Counted from before the question, so that a slice never outlives its window.
        held.until = asked_at + granted.remaining
        held.left, held.exhausted = granted.calls, granted.calls == 0
        return True

    def _slice(self, caller: str, rule: str) -> _Slice:
        held = self._slices.get((caller, rule))
        if held is None:
            while len(self._slices) >= MOST_CALLERS:
                del self._slices[next(iter(self._slices))]
            held = self._slices[caller, rule] = _Slice()
        return held


def taker(pool: asyncpg.Pool) -> Take:
    """Takes slices from the windows in this database."""

    async def take(caller: str, rule: str, rate: Rate, calls: int) -> Granted:
        window = timedelta(seconds=rate.seconds)
        row = await pool.fetchrow(statement("take_calls"), caller, rule, rate.calls, window, calls)
        assert row is not None
        return Granted(row["granted"], row["remaining"])

    return take


def parse(text: str) -> dict[str, Rate]:
    """Reads RATE_LIMITS, `{"GET": "6000/60"}`. Raises ValueError."""
    try:
        given = msgspec.json.decode(text, type=dict[str, str])
    except msgspec.MsgspecError as wrong:
        raise ValueError(f"cannot be read: {wrong}") from None
    return {rule: _rate(rule, amount) for rule, amount in given.items()}


def _rate(rule: str, amount: str) -> Rate:
    found = re.fullmatch(r"([1-9][0-9]{0,8})/([1-9][0-9]{0,5})", amount)
    if found is None or not re.fullmatch(r"\*|[A-Z]+( /\S*)?", rule):
        raise ValueError(f'says {rule!r}: {amount!r}, not like "GET": "6000/60"')
    return Rate(int(found[1]), int(found[2]))
