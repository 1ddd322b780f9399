from eventrain_trainer.courier import Courier
from eventrain_trainer.patience import Deadline
from eventrain_trainer.wire import Unreachable

from tests.unit.trainer.telling import ScriptedWire, envelope


def _courier(wire: ScriptedWire, limit: int = 10_000) -> Courier:
    return Courier(callbacks=wire.callbacks(), url="", limit_bytes=limit, say=lambda _: None)


def _close(courier: Courier) -> None:
    deadline = Deadline()
    deadline.within(20)
    courier.close(deadline)


class TestCourier:
    def test_sends_an_event_under_one_id_until_it_arrives(self) -> None:
        wire = ScriptedWire([Unreachable("no"), envelope(503)])
        courier = _courier(wire)
        courier.put("checkpoint_saved", {"name": "a"})
        courier.open()
        _close(courier)

        assert len(wire.sent) == 3
        assert len({headers["ce-id"] for headers in wire.headers}) == 1

    def test_gives_each_event_an_id_of_its_own(self) -> None:
        wire = ScriptedWire()
        courier = _courier(wire)
        for _ in range(3):
            courier.put("epoch_end", {})
        courier.open()
        _close(courier)

        assert len({headers["ce-id"] for headers in wire.headers}) == 3

    def test_tells_state_before_telemetry(self) -> None:
        wire = ScriptedWire()
        courier = _courier(wire)
        courier.put("log", {"lines": ["a"]})
        courier.put("checkpoint_saved", {"name": "a"})
        courier.open()
        _close(courier)

        assert [body["type"] for body in wire.sent] == ["checkpoint_saved", "log"]

    def test_drops_the_oldest_lines_past_its_bound_and_state_never(self) -> None:
        courier = _courier(ScriptedWire(), limit=1000)
        for number in range(100):
            courier.put("checkpoint_saved", {"name": str(number)})
            courier.put("log", {"lines": [str(number)]}, 200)
        left = courier.left_over()

        assert len([event for event in left if event.type == "checkpoint_saved"]) == 100
        lines = [event.payload["lines"][0] for event in left if event.type == "log"]
        assert lines == ["95", "96", "97", "98", "99"]
        assert courier.dropped == 95

    def test_keeps_what_is_state_by_its_teller_past_any_bound(self) -> None:
        courier = _courier(ScriptedWire(), limit=1000)
        for number in range(100):
            courier.put("mlflow", {"ops": [number]}, kept=True)
            courier.put("log", {"lines": [str(number)]}, 200)

        assert courier.waiting("mlflow") == 100
        kept = [event.payload["ops"][0] for event in courier.left_over() if event.kept]
        assert kept == list(range(100))

    def test_goes_on_after_one_that_is_refused(self) -> None:
        wire = ScriptedWire([envelope(422)])
        courier = _courier(wire)
        courier.put("log", {"lines": ["bad"]})
        courier.put("log", {"lines": ["good"]})
        courier.open()
        _close(courier)

        assert courier.left_over() == []
        assert len(wire.sent) == 2

    def test_has_all_measured_before_a_checkpoint_told_before_it(self) -> None:
        wire = ScriptedWire()
        told: list[int] = []
        courier = Courier(
            callbacks=wire.callbacks(),
            url="",
            limit_bytes=10_000,
            say=lambda _: None,
            before_checkpoint=lambda: told.append(len(wire.sent)),
        )
        courier.put("checkpoint_saved", {})
        courier.put("epoch_end", {})
        courier.open()
        _close(courier)

        assert told == [0]
        assert len(wire.sent) == 2
