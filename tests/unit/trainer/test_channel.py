"""The script's end of its socket, against a runner that reads when it is told to."""

import json
import os
import socket
import threading
from binascii import a2b_base64
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from eventrain_trainer import channel
from eventrain_trainer.channel import Channel
from eventrain_trainer.metric import Point
from eventrain_trainer.spool import STRETCH
from eventrain_trainer.stretch import rows


@dataclass
class Runner:
    channel: Channel
    peer: socket.socket
    _begun: bytes = b""

    def messages(self, seconds: float = 0.3) -> list[dict[str, Any]]:
        """All that is said until nothing is for so long."""
        self.peer.settimeout(seconds)
        while True:
            try:
                self._begun += self.peer.recv(1 << 20)
            except TimeoutError:
                break
        *lines, self._begun = self._begun.split(b"\n")
        return [json.loads(line) for line in lines]

    def steps(self, seconds: float = 0.3) -> list[int]:
        return [step for message in self.messages(seconds) for step in steps_of(message)]


def steps_of(message: dict[str, Any]) -> list[int]:
    stretches = map(a2b_base64, message.get("points", ()))
    return [step for stretch in stretches for _, _, step, _ in rows(stretch)]


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runner]:
    """One whose script is left alone by its thread."""
    monkeypatch.setattr(channel, "SEND_EVERY", 600.0)
    # The reader takes the end of the socket for the runner's, and stops the program.
    monkeypatch.setattr(os, "kill", lambda *_: None)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(str(tmp_path / "s"))
        server.listen()
        made = Channel(str(tmp_path / "s"))
        peer, _ = server.accept()
        with peer:
            yield Runner(made, peer)
        for thread in threading.enumerate():
            if thread.name == "eventrain_read_forever":
                thread.join()


def tell(runner: Runner, steps: range) -> None:
    for step in steps:
        runner.channel.observe({"step": step}, [Point("loss", 0.5, step, 0.0)])


class TestObserve:
    def test_is_sent_by_the_call_itself(self, runner: Runner):
        tell(runner, range(1))
        (message,) = runner.messages()
        assert (message["do"], message["latest"], steps_of(message)) == (
            "observe",
            {"step": 0},
            [0],
        )

    def test_rests_before_it_sends_more(self, runner: Runner, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(channel, "REST", 600.0)
        tell(runner, range(10))
        assert runner.steps(0.1) == [0]
        runner.channel._rests_until = 0.0
        tell(runner, range(10, 11))
        assert runner.steps(0.1) == list(range(1, 11))

    def test_rests_less_while_more_is_waiting(
        self, runner: Runner, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(channel, "REST", 600.0)
        monkeypatch.setattr(channel, "REST_IN_HASTE", 0.0)
        count = (channel.STRETCHES_A_LINE + 1) * STRETCH
        tell(runner, range(count))
        assert runner.steps(0.1) == [0]
        runner.channel._rests_until = 0.0
        tell(runner, range(count, count + 10))
        assert runner.steps(0.1) == list(range(1, count + 2))

    def test_waits_for_nobody_and_loses_nothing(
        self, runner: Runner, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(channel, "REST", 0.0)
        monkeypatch.setattr(channel, "REST_IN_HASTE", 0.0)
        count = 20_000
        tell(runner, range(count))
        assert len(runner.channel._spool) > 0, "the socket took all of it"
        found = runner.steps()
        while len(found) < count and (more := self._more(runner)):
            found += more
        assert found == list(range(count))

    def _more(self, runner: Runner) -> list[int]:
        runner.channel.observe({}, ())
        return runner.steps(0.1)

    def test_says_nothing_twice(self, runner: Runner, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(channel, "REST", 0.0)
        for _ in range(3):
            runner.channel.observe({"epoch": 1}, ())
        assert [m["latest"] for m in runner.messages()] == [{"epoch": 1}]


class TestEvent:
    def test_comes_after_the_points_before_it(self, runner: Runner):
        tell(runner, range(5_000))
        runner.channel.event("validation", {"epoch": 1})
        found = runner.messages(1.0)
        assert [step for message in found for step in steps_of(message)] == list(range(5_000))
        assert found[-1] == {"do": "event", "kind": "validation", "payload": {"epoch": 1}}

    def test_comes_after_the_rest_of_a_line_that_was_begun(
        self, runner: Runner, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(channel, "REST", 0.0)
        monkeypatch.setattr(channel, "REST_IN_HASTE", 0.0)
        tell(runner, range(20_000))
        runner.channel.event("validation", {})
        found = runner.messages(1.0)
        assert [step for message in found for step in steps_of(message)] == list(range(20_000))
        assert found[-1]["do"] == "event"


class TestFork:
    @pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
    def test_leaves_it_to_the_parent_to_speak(
        self, runner: Runner, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(channel, "CLOSE_WAIT", 600.0)
        tell(runner, range(10))
        runner.channel._rests_until = 0.0
        with runner.channel._sending:
            child = os.fork()
            if not child:
                try:
                    tell(runner, range(100, 200))
                    runner.channel.close()
                finally:
                    os._exit(0)
            os.waitpid(child, 0)
        runner.channel.close()
        assert runner.steps() == list(range(10))
