from collections import deque
from typing import Any

import pytest

from infra.cli.follow_view import lengthen


def point(attempt: int, step: int | None) -> Any:
    return {"attempt": attempt, "step": step, "name": "loss", "value": 1.0, "time": ""}


class TestLengthen:
    @pytest.mark.parametrize(("first", "kept"), [(6, 5), (4, 3), (1, 0)])
    def test_drops_what_a_later_attempt_makes_anew(self, first: int, kept: int) -> None:
        course = deque(point(1, step) for step in range(1, 6))
        lengthen(course, point(2, first))
        assert [each["step"] for each in course] == [*range(1, kept + 1), first]

    def test_keeps_an_attempts_own_points_in_any_order(self) -> None:
        course = deque([point(1, 5)])
        lengthen(course, point(1, 2))
        lengthen(course, point(1, None))
        assert [each["step"] for each in course] == [5, 2, None]
