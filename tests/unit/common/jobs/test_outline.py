"""Outlines: few points that hold all that stands out, however they were drawn."""

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.jobs import outline
from common.jobs.outline import BUCKETS, Mark, Outline

VALUES = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False, width=32),
    st.integers(-3, 3).map(float),
    st.sampled_from([math.nan, math.inf, -math.inf]),
)
# A few values repeated make a long series cheap to think of.
SERIES = st.tuples(st.lists(VALUES, min_size=1, max_size=60), st.integers(1, 40)).map(
    lambda drawn: drawn[0] * drawn[1]
)
MOST = st.integers(1, 700)


def told(values: list[float], first: int = 0) -> list[tuple[int, int, float]]:
    return [(number, number * 1000, value) for number, value in enumerate(values, first)]


def drawn(values: list[float]) -> Outline:
    return Outline().extended(told(values))


def spelled(marks: list[Mark]) -> list[Any]:
    """NaN equals itself here."""
    return [(mark.number, mark.step, mark.time, repr(mark.value)) for mark in marks]


def values_of(marks: list[Mark]) -> list[float]:
    return [mark.value for mark in marks]


class TestOutline:
    @settings(max_examples=40)
    @given(SERIES, MOST)
    def test_never_shows_more_than_asked(self, values: list[float], most: int):
        assert 1 <= len(drawn(values).thinned(most)) <= most

    @settings(max_examples=40)
    @given(SERIES, MOST)
    def test_shows_points_that_were_told_in_their_order(self, values: list[float], most: int):
        marks = drawn(values).thinned(most)
        numbers = [mark.number for mark in marks]
        assert numbers == sorted(set(numbers))
        assert spelled(marks) == [(n, n, n * 1000, repr(values[n])) for n in numbers]

    @settings(max_examples=40)
    @given(SERIES, st.integers(7, 700))
    def test_keeps_both_ends_and_the_extremes(self, values: list[float], most: int):
        marks = drawn(values).thinned(most)
        assert (marks[0].number, marks[-1].number) == (0, len(values) - 1)
        finite = [value for value in values if math.isfinite(value)]
        if finite:
            assert min(finite) in values_of(marks)
            assert max(finite) in values_of(marks)

    @settings(max_examples=40)
    @given(SERIES, st.integers(7, 700))
    def test_keeps_what_is_no_number(self, values: list[float], most: int):
        shown = values_of(drawn(values).thinned(most))
        for wanted in (math.isnan, math.inf.__eq__, (-math.inf).__eq__):
            assert any(map(wanted, shown)) == any(map(wanted, values))

    @settings(max_examples=40)
    @given(SERIES, MOST)
    def test_shows_all_where_that_is_little(self, values: list[float], most: int):
        if len(values) <= min(most, BUCKETS):
            assert len(drawn(values).thinned(most)) == len(values)

    @settings(max_examples=40)
    @given(SERIES, st.lists(st.integers(1, 900), max_size=5), MOST)
    def test_is_the_same_however_its_points_came(
        self, values: list[float], cuts: list[int], most: int
    ):
        bit_by_bit, first = Outline(), 0
        for cut in [*sorted(cuts), len(values)]:
            more = told(values[first : max(cut, first)], first)
            bit_by_bit = outline.decode(outline.encode(bit_by_bit.extended(more)))
            first = max(cut, first)
        whole = drawn(values)
        assert (bit_by_bit.count, bit_by_bit.width) == (whole.count, whole.width)
        assert spelled(bit_by_bit.marks) == spelled(whole.marks)
        assert spelled(bit_by_bit.thinned(most)) == spelled(whole.thinned(most))

    @pytest.mark.parametrize("count", [1, 512, 513, 5_000, 100_000])
    def test_takes_bounded_room(self, count: int):
        shown = drawn([math.sin(number) for number in range(count)])
        assert len(shown.marks) <= 4 * BUCKETS
        assert len(shown.marks) >= min(count, BUCKETS)

    def test_shows_a_single_spike_among_very_many(self):
        values = [0.0] * 50_000
        values[31_415], values[27_182] = 9.0, math.nan
        shown = {mark.number: mark.value for mark in drawn(values).thinned(20)}
        assert shown[31_415] == 9.0
        assert math.isnan(shown[27_182])

    def test_is_narrowed_to_what_came_later(self):
        marks = drawn([float(number) for number in range(100)]).thinned(1000, since=90_000)
        assert values_of(marks) == [float(number) for number in range(90, 100)]
