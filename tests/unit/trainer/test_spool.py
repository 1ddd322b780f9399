import math

import pytest
from eventrain_trainer.metric import Point
from eventrain_trainer.spool import POINT_OVERHEAD, Spool

WEIGHT = POINT_OVERHEAD + len("loss")


def _spool(room: int) -> Spool:
    return Spool(room * WEIGHT)


def _fill(spool: Spool, values: list[float]) -> None:
    for step, value in enumerate(values):
        spool.observe({}, [Point("loss", value, step, 0.0)])


class TestSpool:
    def test_gives_points_back_in_order_and_once(self) -> None:
        spool = _spool(100)
        _fill(spool, [3.0, 2.0, 1.0])

        assert [point.value for point in spool.take(2)] == [3.0, 2.0]
        assert [point.value for point in spool.take(2)] == [1.0]
        assert spool.take(2) == []

    def test_never_grows_past_its_bound(self) -> None:
        spool = _spool(100)
        _fill(spool, [float(i % 13) for i in range(10_000)])

        assert len(spool) <= 100

    def test_never_grows_past_its_bound_when_every_point_is_telling(self) -> None:
        spool = _spool(100)
        _fill(spool, [math.nan] * 1000)

        assert 0 < len(spool) <= 100

    @pytest.mark.parametrize("value", [0.5, math.nan])
    def test_makes_room_for_many_points_at_once(self, value: float) -> None:
        spool = _spool(1000)
        _fill(spool, [value] * 1001)

        assert len(spool) <= 850

    def test_thins_the_oldest_first_and_keeps_the_newest(self) -> None:
        spool = _spool(100)
        _fill(spool, [float(i) for i in range(101)])
        steps = [point.step for point in spool.take(1000)]

        assert steps[-50:] == list(range(51, 101))
        assert len(steps) < 101

    def test_keeps_extremes_and_what_is_not_finite(self) -> None:
        values = [5.0] * 101
        values[10], values[21], values[33] = 99.0, -99.0, math.nan
        spool = _spool(100)
        _fill(spool, values)
        left = [point.value for point in spool.take(1000)]

        assert 99.0 in left
        assert -99.0 in left
        assert any(math.isnan(value) for value in left)

    def test_remembers_the_latest_values_whatever_was_thinned_or_taken(self) -> None:
        spool = _spool(10)
        spool.observe({"epoch": 7}, [Point("accuracy", 0.5, 1, 0.0)])
        _fill(spool, [float(i) for i in range(1000)])
        spool.take(1000)

        assert spool.latest() == {"epoch": 7}
        assert spool.metrics() == {"accuracy": 0.5, "loss": 999.0}
