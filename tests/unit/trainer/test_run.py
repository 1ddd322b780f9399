import math
import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from eventrain_trainer.metric import Point
from eventrain_trainer.port import End, Saved, Source
from eventrain_trainer.run import Run
from eventrain_trainer.settings import Checkpoint, TrainerConfig


class Listener:
    """A Port that remembers, or that raises whatever it is told."""

    def __init__(self, broken: bool = False) -> None:
        self.stop = ""
        self.broken = broken
        self.latest: dict[str, Any] = {}
        self.points: list[Point] = []
        self.events: list[tuple[str, Mapping[str, Any]]] = []
        self.saved: list[Saved] = []
        self.ends: list[End] = []

    def observe(self, latest: Mapping[str, Any], points: Sequence[Point]) -> None:
        self._break()
        self.latest |= latest
        self.points += points

    def event(self, kind: str, payload: Mapping[str, Any]) -> None:
        self._break()
        self.events.append((kind, payload))

    def checkpoint(self, saved: Saved) -> None:
        self._break()
        self.saved.append(saved)

    def artifact(self, path: Path, name: str) -> None:
        self._break()

    def fetch(self, source: Source) -> Path | None:
        return None

    def finish(self, end: End) -> None:
        self._break()
        self.ends.append(end)

    def close(self) -> None:
        pass

    def _break(self) -> None:
        if self.broken:
            raise RuntimeError("the port is broken")


def _run(port: Listener, *, muted: bool = False) -> Run:
    return Run(port, TrainerConfig(), Path(), muted=muted)


class Scalar:
    def __init__(self, value: float) -> None:
        self._value = value

    def __float__(self) -> float:
        return self._value


class Spiteful:
    def __float__(self) -> float:
        raise RuntimeError("device-side assert")


class TestLog:
    def test_takes_whatever_has_a_float_in_it(self) -> None:
        port = Listener()
        values = [1, 0.5, True, Scalar(2.5), math.nan, 10**400]
        for value in values:
            _run(port).log(loss=value)

        seen = [point.value for point in port.points]
        assert seen[:4] == [1.0, 0.5, 1.0, 2.5]
        assert math.isnan(seen[4])
        assert seen[5] == math.inf

    @pytest.mark.parametrize("value", ["0.5", None, [1.0], {}, object(), Spiteful(), 1j])
    def test_turns_what_is_no_number_into_a_warning(self, value: object) -> None:
        port = Listener()
        _run(port).log(loss=value, accuracy=0.5)

        assert [point.name for point in port.points] == ["accuracy"]
        [(kind, payload)] = port.events
        assert kind == "warning"
        assert "loss" in payload["message"]

    def test_warns_of_each_thing_once(self) -> None:
        port = Listener()
        run = _run(port)
        for _ in range(1000):
            run.log(loss="much")

        assert len(port.events) == 1

    def test_does_not_warn_without_end(self) -> None:
        port = Listener()
        run = _run(port)
        for number in range(1000):
            run.log({f"loss{number}": "much"})

        assert len(port.events) <= 100

    @pytest.mark.parametrize("name", ["", "a" * 201, "nul\0", "\ud800", 7])
    def test_refuses_a_name_that_is_none(self, name: Any) -> None:
        port = Listener()
        _run(port).log({name: 1.0})

        assert port.points == []
        assert port.events

    def test_places_a_metric_at_the_step_or_else_the_epoch(self) -> None:
        port = Listener()
        run = _run(port)
        run.log(epoch=3, val_loss=1)
        run.log(step=70, loss=1)
        run.log(loss=1)

        assert [point.step for point in port.points] == [3, 70, 70]
        assert port.latest == {"epoch": 3, "step": 70}

    @pytest.mark.parametrize("epoch", [-1, "one", 2**64, math.nan, math.inf])
    def test_keeps_the_metrics_of_a_call_whose_epoch_is_none(self, epoch: Any) -> None:
        port = Listener()
        _run(port).log(epoch=epoch, loss=1.0)

        assert [point.value for point in port.points] == [1.0]
        assert "epoch" not in port.latest

    def test_takes_well_under_the_time_of_a_training_step(self) -> None:
        run = _run(Listener())
        took: list[float] = []
        for step in range(5000):
            began = time.perf_counter()
            run.log(step=step, loss=0.5)
            took.append(time.perf_counter() - began)

        assert statistics.median(took) < 50e-6


class TestNothingRaises:
    def test_although_everything_is_broken(self, tmp_path: Path) -> None:
        run = _run(Listener(broken=True))
        run.log(loss=1)
        run.progress(0.5, message="half")
        run.event("epoch_end", epoch=1)
        run.validation(metrics={"f1": 1})
        run.checkpoint(tmp_path / "missing")
        run.artifact(tmp_path / "missing")
        run.warn("x")
        run.finish()

    def test_whatever_is_passed(self) -> None:
        run: Any = _run(Listener())
        run.log(7)
        run.progress("half", epoch="x", total_epochs=[])
        run.event(None, value=object(), nested={1: {2: math.nan}}, text="\ud800\0")
        run.checkpoint(None)
        run.artifact(3)
        run.finish(metrics={"loss": "none"})


class TestEvent:
    def test_carries_only_what_json_and_postgres_take(self) -> None:
        port = Listener()
        _run(port).event(
            "epoch_end", loss=math.inf, text="a\ud800b\0", kept=[1, None, True], huge=2**70
        )

        [(_, payload)] = port.events
        assert payload == {
            "loss": "Infinity",
            "text": "a?b\ufffd",
            "kept": [1, None, True],
            "huge": str(2**70),
        }

    @pytest.mark.parametrize("kind", ["", "Epoch End", "epoch-end", "a" * 65])
    def test_warns_of_a_kind_that_nobody_takes(self, kind: str) -> None:
        port = Listener()
        _run(port).event(kind)

        assert [kind for kind, _ in port.events] == ["warning"]


class TestValidation:
    def test_tells_what_was_found_where_the_training_is(self) -> None:
        port = Listener()
        run = _run(port)
        run.log(epoch=4, loss=1)
        run.validation(
            metrics={"f1": Scalar(0.5), "loss": math.nan},
            confusion_matrix=((Scalar(3.0), 1), (0, 0.5)),
            labels=("cat", 7),
            per_class={7: {"recall": 1}},
        )

        assert port.events == [
            (
                "validation",
                {
                    "epoch": 4,
                    "metrics": {"f1": 0.5, "loss": "NaN"},
                    "confusionMatrix": [[3, 1], [0, 0.5]],
                    "labels": ["cat", "7"],
                    "perClass": {"7": {"recall": 1.0}},
                },
            )
        ]

    @pytest.mark.parametrize(
        "said",
        [
            {},
            {"labels": ["a"]},
            {"metrics": {"f1": "good"}},
            {"confusion_matrix": [[1, 2]]},
            {"confusion_matrix": [[math.nan]]},
            {"confusion_matrix": [[-1]]},
            {"confusion_matrix": 7},
            {"confusion_matrix": [[0] * 101] * 101},
            {"confusion_matrix": [[1]], "labels": ["a", "b"]},
            {"metrics": {"f1": 1}, "labels": ["a", "a"]},
            {"labels": ["a"], "per_class": {"b": {"f1": 1}}},
            {"per_class": {"b": 1}},
            {"metrics": {"f1": 1}, "epoch": -1},
        ],
    )
    def test_turns_what_is_none_into_a_warning(self, said: dict[str, Any]) -> None:
        port = Listener()
        _run(port).validation(**said)

        assert [kind for kind, _ in port.events] == ["warning"]


class TestFinish:
    def test_speaks_once(self) -> None:
        port = Listener()
        run = _run(port)
        run.finish(metrics={"loss": 1})
        run.finish(outcome="failed")

        [end] = port.ends
        assert (end.outcome, end.metrics) == ("succeeded", {"loss": 1.0})

    def test_one_that_was_asked_to_stop_has_not_succeeded(self) -> None:
        port = Listener()
        port.stop = "stop"
        _run(port).finish()

        assert (port.ends[0].outcome, port.ends[0].error_class) == ("failed", "transient")

    def test_unless_it_says_so_itself(self) -> None:
        port = Listener()
        port.stop = "stop"
        _run(port).finish(outcome="succeeded")

        assert port.ends[0].outcome == "succeeded"

    @pytest.mark.parametrize(
        ("error", "outcome", "error_class", "code"),
        [
            (ValueError("x"), "failed", "user", 1),
            (MemoryError(), "failed", "transient", 1),
            (SystemExit(3), "failed", "user", 3),
            (SystemExit(0), "succeeded", "", None),
        ],
    )
    def test_a_with_block_reports_what_left_it(
        self, error: BaseException, outcome: str, error_class: str, code: int | None
    ) -> None:
        port = Listener()
        with pytest.raises(type(error)), _run(port):
            raise error

        [end] = port.ends
        assert (end.outcome, end.error_class, end.exit_code) == (outcome, error_class, code)


class TestResume:
    def test_is_none_without_a_checkpoint_that_came_whole(self) -> None:
        config = TrainerConfig(checkpoint=Checkpoint("s3://b/c", "0" * 64, 1))

        assert Run(Listener(), config, Path()).resume() is None
        assert _run(Listener()).resume() is None


def test_other_ranks_are_mute() -> None:
    port = Listener()
    run = _run(port, muted=True)
    run.log(loss=1)
    run.progress(0.5)
    run.event("x")
    run.validation(metrics={"f1": 1})
    run.warn("x")
    run.finish()

    assert not port.points
    assert not port.events
    assert not port.ends
