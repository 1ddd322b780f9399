import threading
import time

from eventrain_trainer.beat import Beat
from eventrain_trainer.callbacks import Verdict
from eventrain_trainer.metric import Point
from eventrain_trainer.patience import Deadline
from eventrain_trainer.spool import Spool
from eventrain_trainer.wire import Unreachable

from tests.unit.trainer.telling import ScriptedWire, envelope, ok


def _beat(wire: ScriptedWire, commands: list[str] | None = None) -> Beat:
    heard: list[str] = [] if commands is None else commands
    return Beat(Spool(10**6), wire.callbacks(), "", 0.01, heard.append)


def _points(count: int) -> list[Point]:
    return [Point("loss", float(i), i, 0.0) for i in range(count)]


class TestBeat:
    def test_numbers_its_beats(self) -> None:
        wire = ScriptedWire()
        beat = _beat(wire)
        for _ in range(3):
            beat.beat()

        assert [body["sequence"] for body in wire.sent] == [1, 2, 3]

    def test_sends_again_what_may_not_have_arrived_exactly_as_it_was(self) -> None:
        wire = ScriptedWire([Unreachable("no answer"), envelope(503)])
        beat = _beat(wire)
        beat.spool.observe({"epoch": 1}, _points(3))
        beat.beat()
        beat.spool.observe({"epoch": 2}, _points(2))
        beat.beat()
        beat.beat()
        beat.beat()

        assert wire.sent[0] == wire.sent[1] == wire.sent[2]
        assert wire.sent[3]["sequence"] == 2
        assert wire.sent[3]["epoch"] == 2
        assert len(wire.sent[3]["points"]) == 2

    def test_lets_go_of_what_is_refused_for_good(self) -> None:
        wire = ScriptedWire([envelope(422)])
        beat = _beat(wire)
        beat.spool.observe({}, _points(1))
        beat.beat()
        beat.beat()

        assert "points" in wire.sent[0]
        assert "points" not in wire.sent[1]

    def test_sends_at_most_a_thousand_points_at_once(self) -> None:
        wire = ScriptedWire()
        beat = _beat(wire)
        beat.spool.observe({}, _points(2500))
        for _ in range(3):
            beat.beat()

        assert [len(body["points"]) for body in wire.sent] == [1000, 1000, 500]

    def test_spells_out_what_is_not_finite(self) -> None:
        wire = ScriptedWire()
        beat = _beat(wire)
        values = [float("nan"), float("inf"), float("-inf")]
        beat.spool.observe({}, [Point("loss", value, 1, 0.0) for value in values])
        beat.beat()

        spelled = [point["value"] for point in wire.sent[0]["points"]]
        assert spelled == ["NaN", "Infinity", "-Infinity"]
        assert wire.sent[0]["metrics"] == {"loss": "-Infinity"}

    def test_passes_commands_on_and_takes_the_interval(self) -> None:
        commands: list[str] = []
        answer = ok({"command": "checkpoint_and_stop", "intervalSeconds": 3})
        beat = _beat(ScriptedWire([answer]), commands)
        beat.beat()

        assert commands == ["checkpoint_and_stop"]
        assert beat.interval == 3

    def test_ends_for_good_when_it_is_stale(self) -> None:
        commands: list[str] = []
        wire = ScriptedWire([ok(), envelope(409, {"code": "STALE_ATTEMPT"})])
        beat = _beat(wire, commands)
        beat.open()
        beat._thread.join(5)  # type: ignore[union-attr]
        beat.close(Deadline())

        assert commands == ["stale"]
        assert len(wire.sent) == 2

    def test_beats_on_while_the_training_does_not_come_back(self) -> None:
        beaten = threading.Semaphore(0)
        beat = _beat(ScriptedWire(before=beaten.release))
        beat.open()

        assert all(beaten.acquire(timeout=5) for _ in range(5))
        beat.close(Deadline())

    def test_delivers_everything_before_it_closes(self) -> None:
        wire = ScriptedWire([Unreachable("no"), Unreachable("no")])
        beat = _beat(wire)
        beat.spool.observe({}, _points(2500))
        beat.close(_soon(20))

        sent = {body["sequence"]: len(body.get("points", ())) for body in wire.sent}
        assert sum(sent.values()) == 2500

    def test_gives_up_in_time_and_keeps_what_nobody_heard(self) -> None:
        wire = ScriptedWire([Unreachable("no")] * 100)
        beat = _beat(wire)
        beat.spool.observe({}, _points(1500))
        began = time.monotonic()
        beat.close(_soon(0.2))

        assert time.monotonic() - began < 5
        left = beat.left_over()
        assert [body["sequence"] for body in left] == [1, 2]
        assert sum(len(body["points"]) for body in left) == 1500

    def test_derives_the_progress_from_the_counts(self) -> None:
        wire = ScriptedWire()
        beat = _beat(wire)
        beat.spool.observe({"epoch": 3, "totalEpochs": 12}, ())

        assert beat.beat().verdict is Verdict.OK
        assert wire.sent[0]["progress"] == 0.25


def _soon(seconds: float) -> Deadline:
    deadline = Deadline()
    deadline.within(seconds)
    return deadline


class TestFlush:
    def test_returns_once_what_was_spooled_is_heard(self) -> None:
        wire = ScriptedWire()
        beat = Beat(Spool(10**6), wire.callbacks(), "", 3600, lambda _: None)
        beat.spool.observe({}, _points(1500))
        beat.open()

        assert beat.flush(20)
        assert sum(len(body.get("points", ())) for body in wire.sent) == 1500
        deadline = Deadline()
        deadline.within(20)
        beat.close(deadline)

    def test_gives_up_when_nobody_hears(self) -> None:
        beat = _beat(ScriptedWire())
        beat.spool.observe({}, _points(1))

        assert not beat.flush(0.01)
