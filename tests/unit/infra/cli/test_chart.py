from __future__ import annotations

import math
from typing import Any

import pytest
from eventrain_client.replies import Point

from infra.cli import chart

FALLING = [1 / step for step in range(1, 41)]


def points(*values: Any, steps: bool = True) -> list[Point]:
    return [
        {
            "name": "loss",
            "value": value,
            "step": number if steps else None,
            "time": None,
            "attempt": 1,
        }
        for number, value in enumerate(values, 1)
    ]


class TestDraw:
    def test_puts_the_extremes_beside_the_picture_and_the_steps_below(self) -> None:
        lines = chart.draw(points(*FALLING), 60, 8)
        assert len(lines) == 10
        assert lines[0].lstrip().startswith("1 ┤")
        assert lines[7].lstrip().startswith("0.025 ┤")
        assert lines[9].split() == ["1", "40"]

    def test_falls_where_the_values_fall(self) -> None:
        lines = chart.draw(points(*FALLING), 60, 8)
        first = [row.partition("┤")[2] or row.partition("│")[2] for row in lines[:8]]
        assert first[0][0] != " "
        assert first[7].rstrip()[-1] != " "
        assert len(first[7].rstrip()) > len(first[0].rstrip())

    @pytest.mark.parametrize("width", [1, 5, 23, 24, 30, 80, 200])
    def test_is_never_wider_than_it_may_be(self, width: int) -> None:
        for told in (points(*FALLING), points(0.5), points("NaN", 1.5e300, -1.5e300, "Infinity")):
            assert max(map(len, chart.draw(told, width))) <= width

    def test_marks_what_is_no_finite_number_where_it_was(self) -> None:
        told = points(2.0, "NaN", 1.0, "Infinity", "-Infinity")
        axis = chart.draw(told, 60)[-2]
        assert [mark for mark in axis if mark in "×▲▼"] == ["×", "▲", "▼"]
        assert "× 1 NaN" in chart.caption(told)
        assert "▲ 1 infinite" in chart.caption(told)
        assert "▼ 1 minus infinite" in chart.caption(told)

    def test_says_that_nothing_is_finite(self) -> None:
        assert chart.draw(points("NaN", "NaN"), 60) == ["no finite value ×"]

    @pytest.mark.parametrize("values", [(0.5,), (3, 3, 3)])
    def test_draws_one_value_as_a_line_with_one_label(self, values: tuple[float, ...]) -> None:
        lines = chart.draw(points(*values), 60)
        labels = [line.partition("┤")[0].strip() for line in lines if "┤" in line]
        assert labels == [f"{values[0]:g}"]

    def test_bears_the_largest_numbers_that_there_are(self) -> None:
        assert chart.draw(points(1.7e308, -1.7e308), 60)

    def test_counts_where_no_step_was_told(self) -> None:
        assert chart.draw(points(1.0, 2.0, steps=False), 60)[-1].split() == ["0", "1"]

    def test_has_nothing_to_draw_of_nothing(self) -> None:
        assert chart.draw([], 60) == []
        assert chart.caption([]) == ""


def test_the_caption_names_the_extremes_with_their_steps() -> None:
    told = chart.caption(points(*FALLING))
    assert told == "last 0.025, lowest 0.025 at 40, highest 1 at 1"
    assert math.isclose(FALLING[-1], 0.025)
