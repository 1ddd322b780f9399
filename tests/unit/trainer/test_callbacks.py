from pathlib import Path

import pytest
from eventrain_trainer.callbacks import Verdict
from eventrain_trainer.job_token import Token
from eventrain_trainer.wire import Answer, Unreachable

from tests.unit.trainer.telling import ScriptedWire, envelope, ok

STALE = envelope(409, {"code": "STALE_ATTEMPT", "command": "stop"})


class TestPost:
    @pytest.mark.parametrize(
        ("answer", "verdict"),
        [
            (ok(), Verdict.OK),
            (envelope(400), Verdict.REFUSED),
            (envelope(409, {"code": "CONFLICT"}), Verdict.REFUSED),
            (envelope(413), Verdict.REFUSED),
            (envelope(422), Verdict.REFUSED),
            (STALE, Verdict.STALE),
            (envelope(401), Verdict.LATER),
            (envelope(404), Verdict.LATER),
            (envelope(429), Verdict.LATER),
            (envelope(500), Verdict.LATER),
            (envelope(503), Verdict.LATER),
            (Answer(302, {}), Verdict.LATER),
            (Answer(200, {}, b"<html>captive portal</html>"), Verdict.LATER),
            (Answer(400, {}, b"Bad Request, says a proxy"), Verdict.LATER),
            (Answer(200, {}, b'["not", "an", "envelope"]'), Verdict.LATER),
            (Unreachable("nobody"), Verdict.LATER),
        ],
    )
    def test_knows_what_an_answer_means(
        self, answer: Answer | Unreachable, verdict: Verdict
    ) -> None:
        assert ScriptedWire([answer]).callbacks().post("", {}).verdict is verdict

    def test_sends_nothing_any_more_once_it_was_stale(self) -> None:
        wire = ScriptedWire([STALE])
        callbacks = wire.callbacks()

        assert [callbacks.post("", {}).verdict for _ in range(3)] == [Verdict.STALE] * 3
        assert len(wire.sent) == 1

    def test_tells_how_long_it_was_asked_to_wait(self) -> None:
        wire = ScriptedWire([envelope(503, retry_after="7")])

        assert wire.callbacks().post("", {}).retry_after == 7

    def test_gives_an_event_its_id_so_that_a_repeat_is_known(self) -> None:
        wire = ScriptedWire()
        wire.callbacks().post("", {}, event_id="one")

        assert wire.headers[0]["ce-id"] == "one"
        assert wire.headers[0]["ce-source"] == "/test"
        assert wire.headers[0]["ce-specversion"] == "1.0"


class TestToken:
    def _used(self, wire: ScriptedWire) -> list[str]:
        return [headers["Authorization"].removeprefix("Bearer ") for headers in wire.headers]

    def test_takes_the_fresh_one_of_an_answer(self) -> None:
        wire = ScriptedWire([ok({"token": "second"})])
        callbacks = wire.callbacks()
        callbacks.post("", {})
        callbacks.post("", {})

        assert self._used(wire) == ["first", "second"]

    def test_reads_the_mounted_one_after_a_401(self, tmp_path: Path) -> None:
        mounted = tmp_path / "token"
        mounted.write_text("mounted\n")
        wire = ScriptedWire([envelope(401)])
        callbacks = wire.callbacks(Token("first", mounted))
        assert callbacks.post("", {}).verdict is Verdict.OK
        callbacks.post("", {})

        assert self._used(wire) == ["first", "mounted", "mounted"]

    def test_keeps_the_one_of_a_heartbeat_when_the_mounted_one_is_no_better(
        self, tmp_path: Path
    ) -> None:
        mounted = tmp_path / "token"
        mounted.write_text("old")
        wire = ScriptedWire([envelope(401), envelope(401)])
        callbacks = wire.callbacks(Token("renewed", mounted))
        assert callbacks.post("", {}).verdict is Verdict.LATER
        callbacks.post("", {})

        assert self._used(wire) == ["renewed", "old", "renewed"]

    def test_does_not_try_the_same_one_twice(self, tmp_path: Path) -> None:
        mounted = tmp_path / "token"
        mounted.write_text("first")
        wire = ScriptedWire([envelope(401)])
        wire.callbacks(Token("first", mounted)).post("", {})

        assert self._used(wire) == ["first"]

    def test_begins_with_the_mounted_one_where_the_environment_has_none(
        self, tmp_path: Path
    ) -> None:
        mounted = tmp_path / "token"
        mounted.write_text("mounted")

        assert Token("", mounted).value == "mounted"
        assert Token("", tmp_path / "missing").value == ""
