"""Slices of a window, as one instance spends them."""

import pytest

from common.access.rate import BLIND_SECONDS, Granted, Rate, Rates, parse
from common.errors import TooMany

PATH = "/llm-ops/v1/training/jobs"


class Window:
    """Postgres's side: what is left, and how often it was asked."""

    def __init__(self, left: int, remaining: float = 60) -> None:
        self.left = left
        self.remaining = remaining
        self.asked = 0
        self.away = False

    async def take(self, caller: str, rule: str, rate: Rate, calls: int) -> Granted:
        self.asked += 1
        if self.away:
            raise ConnectionError
        given = min(calls, self.left)
        self.left -= given
        return Granted(given, self.remaining)


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


async def spend(rates: Rates, times: int, method: str = "GET") -> int:
    """How many of so many calls passed."""
    passed = 0
    for _ in range(times):
        try:
            await rates.spend("ada", method, PATH)
        except TooMany:
            continue
        passed += 1
    return passed


class TestRates:
    async def test_ask_once_for_many_reads(self) -> None:
        window = Window(1000)
        rates = Rates({"GET": Rate(1000, 60)}, window.take, Clock())
        assert await spend(rates, 100) == 100
        assert window.asked == 5

    async def test_give_out_no_more_than_the_window_has(self) -> None:
        window = Window(7)
        rates = Rates({"GET": Rate(1000, 60)}, window.take, Clock())
        assert await spend(rates, 50) == 7
        assert window.asked == 2

    async def test_let_a_slice_die_with_its_window(self) -> None:
        window, clock = Window(10), Clock()
        rates = Rates({"GET": Rate(500, 60)}, window.take, clock)
        assert await spend(rates, 1) == 1
        window.left, clock.seconds = 3, 60
        assert await spend(rates, 20) == 3

    async def test_say_when_the_window_is_over(self) -> None:
        clock = Clock()
        rates = Rates({"GET": Rate(500, 60)}, Window(0).take, clock)
        await spend(rates, 1)
        clock.seconds = 20.5
        with pytest.raises(TooMany) as refused:
            await rates.spend("ada", "GET", PATH)
        assert refused.value.retry_after == 40

    async def test_are_no_outage_of_their_own(self) -> None:
        window, clock = Window(0), Clock()
        window.away = True
        rates = Rates({"*": Rate(1, 60)}, window.take, clock)
        assert await spend(rates, 20) == 20
        assert window.asked == 1
        window.away, clock.seconds = False, BLIND_SECONDS
        assert await spend(rates, 5) == 0

    async def test_go_by_the_rule_that_is_nearest(self) -> None:
        rules = parse('{"POST /llm-ops/v1/training/jobs": "2/60", "GET": "3/60", "*": "1/60"}')
        counted: list[str] = []

        async def take(caller: str, rule: str, rate: Rate, calls: int) -> Granted:
            counted.append(rule)
            return Granted(calls, 60)

        rates = Rates(rules, take, Clock())
        for method in ("POST", "GET", "DELETE"):
            await rates.spend("ada", method, PATH)
        assert counted == [f"POST {PATH}", "GET", "*"]

    @pytest.mark.parametrize("text", ["", "[]", '{"GET": 5}', '{"GET": "5"}', '{"get": "5/60"}'])
    def test_are_refused_where_they_cannot_be_read(self, text: str) -> None:
        with pytest.raises(ValueError, match=r"."):
            parse(text)
