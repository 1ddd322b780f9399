import gc
import math
from itertools import pairwise

import pytest
from eventrain_trainer.metric import Point
from eventrain_trainer.spool import STRETCH, Spool
from eventrain_trainer.stretch import POINT_OVERHEAD, count, rows

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

        assert len(spool) <= 1001 - STRETCH // 2

    def test_lets_no_call_wait_until_all_of_it_was_gone_through(self) -> None:
        spool = _spool(5000)
        sizes = [0]
        for step in range(20_000):
            spool.observe({}, [Point("loss", 0.5, step, 0.0)])
            sizes.append(len(spool))

        steps = [after - before for before, after in pairwise(sizes)]
        assert min(steps) < 0
        assert all(-2 * STRETCH <= step <= 1 for step in steps)

    def test_gives_the_garbage_collector_nothing_to_walk_through(self) -> None:
        spool = _spool(20_000)
        gc.collect()
        before = len(gc.get_objects())
        _fill(spool, [0.5] * 30_000)
        gc.collect()
        assert len(spool) > 10_000
        assert len(gc.get_objects()) - before < 10

    def test_gives_what_lies_together_as_it_lies(self) -> None:
        spool = _spool(1000)
        _fill(spool, [float(i) for i in range(2 * STRETCH + 5)])
        assert [count(stretch) for stretch in spool.take_stretches(1)] == [STRETCH]
        left = spool.take_stretches(10)
        assert [count(stretch) for stretch in left] == [STRETCH, 5]
        assert spool.take_stretches(10) == []
        found = [row[1] for stretch in left for row in rows(stretch)]

        assert found == [float(i) for i in range(STRETCH, 2 * STRETCH + 5)]
        assert len(spool) == 0

    def test_takes_no_point_twice_in_either_way(self) -> None:
        spool = _spool(1000)
        _fill(spool, [float(i) for i in range(100)])
        found = [point.value for point in spool.take(STRETCH + 7)]
        found += [row[1] for stretch in spool.take_stretches(1) for row in rows(stretch)]
        _fill(spool, [100.0])
        found += [point.value for point in spool.take(1000)]

        assert found == [float(i) for i in range(101)]
        assert len(spool) == 0

    def test_thins_each_of_many_names_alike(self) -> None:
        spool = _spool(4000)
        names = [f"layer-{number:04}" for number in range(400)]
        for step in range(14):
            spool.observe({}, [Point(name, float(step), step, 0.0) for name in names])
        left = spool.take(10_000)

        for name in names:
            steps = [point.step for point in left if point.name == name]
            assert steps[0] < 4
            assert steps[-1] == 13

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
