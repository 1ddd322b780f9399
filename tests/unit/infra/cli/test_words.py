from __future__ import annotations

from datetime import UTC, datetime

import pytest

from infra.cli import words


class TestWords:
    @pytest.mark.parametrize(
        ("seconds", "text"),
        [(0, "0s"), (59.9, "59s"), (61, "1m01s"), (3661, "1h01m"), (90000, "1d01h"), (-3, "0s")],
    )
    def test_says_a_duration_in_two_units(self, seconds: float, text: str) -> None:
        assert words.duration(seconds) == text

    @pytest.mark.parametrize(
        ("then", "text"),
        [("10:00:00Z", "0s"), ("09:59:20Z", "40s"), ("08:30:00Z", "1h"), ("10:00:01Z", "0s")],
    )
    def test_says_an_age_in_one_unit(self, then: str, text: str) -> None:
        now = datetime(2026, 1, 1, 10, tzinfo=UTC)
        assert words.age(f"2026-01-01T{then}", now) == text

    @pytest.mark.parametrize(
        ("count", "text"), [(None, "-"), (0, "0 B"), (1024, "1.0 KiB"), (5 << 20, "5.0 MiB")]
    )
    def test_says_a_size_in_the_unit_that_fits(self, count: int | None, text: str) -> None:
        assert words.size(count) == text

    def test_draws_the_course_of_a_metric(self) -> None:
        assert words.sparkline([0.0, 1.0, 2.0, 3.0]) == "▁▃▆█"

    def test_leaves_a_gap_where_a_metric_diverged(self) -> None:
        assert words.sparkline([1.0, "NaN", 2.0, "Infinity"]) == "▁ █ "

    def test_draws_no_line_of_one_value(self) -> None:
        assert words.sparkline([1.0]) == ""

    def test_thins_a_long_course_to_its_width(self) -> None:
        assert len(words.sparkline([float(each) for each in range(1000)])) <= 24

    def test_takes_a_time_without_offset_for_utc(self) -> None:
        assert words.moment("2026-01-01T10:00:00") == words.moment("2026-01-01T10:00:00Z")

    def test_calls_a_succeeded_job_done_whatever_its_trainer_said_last(self) -> None:
        assert words.percent({"id": "j", "status": "succeeded", "jobType": "x"}) == "100%"
