from typing import Any

import pytest

from common.jobs.resumption import ALL, Stretch, follow, of_attempt


def attempt_of(number: int, *, begun: bool = True, **resumed: Any) -> dict[str, Any]:
    return {"attempt": number, "begun": begun, "resumed_from": resumed or None}


FIRST = attempt_of(1, attempt=None)


class TestFollow:
    def test_takes_all_of_a_single_attempt(self) -> None:
        assert follow([FIRST]) is ALL

    def test_takes_of_an_attempt_what_came_before_the_checkpoint_that_the_next_went_on_from(
        self,
    ) -> None:
        thread = follow([FIRST, attempt_of(2, attempt=1, step=None, epoch=3)])
        assert [thread.counts(1, "loss", step) for step in (1, 3, 4)] == [True, True, False]
        assert thread.counts(2, "loss", 1)

    def test_goes_by_the_step_of_a_checkpoint_where_it_has_one(self) -> None:
        thread = follow([FIRST, attempt_of(2, attempt=1, step=300, epoch=3)])
        assert thread.counts(1, "loss", 300)
        assert not thread.counts(1, "loss", 301)

    def test_takes_nothing_of_what_came_before_an_attempt_that_began_anew(self) -> None:
        thread = follow([FIRST, attempt_of(2, attempt=None)])
        assert not thread.counts(1, "loss", 1)
        assert thread.attempts == [2]

    def test_leaves_an_attempt_out_from_which_nothing_came(self) -> None:
        third = attempt_of(3, attempt=1, epoch=2)
        thread = follow([FIRST, attempt_of(2, attempt=None), third])
        assert thread.attempts == [1, 3]
        assert not thread.counts(2, "loss", 1)

    def test_cuts_an_attempt_at_the_earliest_of_two_checkpoints(self) -> None:
        second, third = attempt_of(2, attempt=1, epoch=5), attempt_of(3, attempt=2, epoch=4)
        thread = follow([FIRST, second, third])
        assert not thread.counts(1, "loss", 5)
        assert thread.counts(2, "loss", 4)

    def test_ends_a_series_where_a_later_attempt_begins_it_again(self) -> None:
        thread = follow([FIRST, attempt_of(2, attempt=1, epoch=9, begins={"loss": 4})])
        assert [thread.counts(1, "loss", step) for step in (3, 4)] == [True, False]
        assert thread.counts(1, "accuracy", 4)
        assert not thread.counts(1, "loss", None)

    def test_waits_until_an_attempt_has_begun(self) -> None:
        thread = follow([FIRST, attempt_of(2, begun=False, attempt=None)])
        assert thread.counts(1, "loss", 100)

    def test_takes_nothing_away_where_nobody_noted_anything(self) -> None:
        thread = follow([attempt_of(1), attempt_of(2)])
        assert thread.counts(1, "loss", 100)
        assert thread.counts(2, "loss", 1)

    @pytest.mark.parametrize("whose", [2, 3])
    def test_follows_no_circle(self, whose: int) -> None:
        assert follow([FIRST, attempt_of(2, attempt=whose, epoch=1)]).attempts == [2]


class TestThread:
    def test_skips_to_the_next_attempt_that_counts(self) -> None:
        thread = follow([FIRST, attempt_of(2, attempt=None), attempt_of(3, attempt=1, epoch=1)])
        assert thread.skip((1, 5)) == (1, 5)
        assert thread.skip((2, 5)) == (3, -1)
        assert thread.skip((4, 0)) is None
        assert of_attempt(2).skip((0, -1)) == (2, -1)

    def test_holds_a_point_that_is_nowhere(self) -> None:
        assert Stretch(upto=3).counts("loss", None)
