"""The mock that trainer authors get: how it is told to misbehave, and what it shows."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from eventrain_trainer.addresses import Addresses, Granted, TransferError
from eventrain_trainer.callbacks import Callbacks, Reply, Verdict
from eventrain_trainer.download import Download
from eventrain_trainer.job_token import Token
from eventrain_trainer.mock import ControlPlane
from eventrain_trainer.mock.fault import CALLS
from eventrain_trainer.mock.keys import KEYS, Keys
from eventrain_trainer.new import make
from eventrain_trainer.patience import Deadline, Patience
from eventrain_trainer.transfer import Transfer
from eventrain_trainer.wire import Wire

from tests.processes import free_port

Say = Callable[..., Reply]


@pytest.fixture
def say(control_plane: ControlPlane) -> Say:
    """One beat with a token of the first attempt."""
    environ = control_plane.environ()
    token = Token(environ["CALLBACK_TOKEN"], Path(environ["CALLBACK_TOKEN_FILE"]))
    callbacks = Callbacks(wire=Wire(5), token=token, source="/test")

    def beat(sequence: int = 1, **body: Any) -> Reply:
        return callbacks.post(environ["HEARTBEAT_URL"], {"sequence": sequence, **body})

    return beat


def addresses(plane: ControlPlane) -> Addresses:
    environ = plane.environ()
    token = Token(environ["CALLBACK_TOKEN"])
    callbacks = Callbacks(wire=Wire(5), token=token, source="/test")
    return Addresses(callbacks, environ["ADDRESSES_URL"])


def transfer(plane: ControlPlane) -> Transfer:
    return Transfer(addresses=addresses(plane), wire=Wire(5))


class TestFaults:
    @pytest.mark.parametrize(
        ("kind", "verdict", "taken"),
        [
            ("up", Verdict.OK, 1),
            ("slow", Verdict.OK, 1),
            ("away", Verdict.LATER, 0),
            ("broken", Verdict.LATER, 0),
            ("refused", Verdict.LATER, 0),
            ("cut", Verdict.LATER, 1),
        ],
    )
    def test_are_met_by_the_next_call_alone(
        self, control_plane: ControlPlane, say: Say, kind: str, verdict: Verdict, taken: int
    ) -> None:
        control_plane.delay = 0.1
        control_plane.calls.line_up([kind])

        assert say().verdict is verdict
        assert len(control_plane.heartbeats) == taken
        assert say(2).verdict is Verdict.OK

    def test_last_until_it_is_told_otherwise(self, control_plane: ControlPlane, say: Say) -> None:
        with control_plane.failing("away"):
            assert [say(n).verdict for n in (1, 2, 3)] == [Verdict.LATER] * 3
        assert say(4).verdict is Verdict.OK

    def test_of_another_name_are_refused(self, control_plane: ControlPlane) -> None:
        with pytest.raises(ValueError, match="none of up, slow"):
            control_plane.calls.mode = "tired"

    @pytest.mark.parametrize(("kind", "kept"), [("refused", 1), ("cut", 1), ("lost", 0)])
    def test_meet_uploads_too(
        self, control_plane: ControlPlane, tmp_path: Path, kind: str, kept: int
    ) -> None:
        file = tmp_path / "model.bin"
        file.write_bytes(b"weights" * 1000)
        control_plane.uploads.line_up([kind])

        transfer(control_plane).upload(file, lambda _: "artifacts/model.bin", Deadline())

        assert len(control_plane.store.keys()) == kept


class TestTheJob:
    def test_asks_to_stop_with_the_next_beat(self, control_plane: ControlPlane, say: Say) -> None:
        control_plane.ask_to_stop("stop")
        assert say().data["command"] == "stop"

    def test_makes_the_attempt_before_stale(self, control_plane: ControlPlane, say: Say) -> None:
        control_plane.next_attempt()
        assert say().verdict is Verdict.STALE
        assert control_plane.environ()["ATTEMPT"] == "2"

    def test_renews_tokens_and_lets_them_expire(
        self, control_plane: ControlPlane, say: Say
    ) -> None:
        control_plane.renew()
        fresh = say().data["token"]
        control_plane.expire_tokens(but=fresh)
        assert say(2).verdict is Verdict.OK

        control_plane.expire_tokens()
        assert say(3).verdict is Verdict.OK
        assert control_plane.heard[-1].token == control_plane.token_file.read_text()

    def test_gives_a_folder_to_learn_from_and_nothing_beside_it(
        self, control_plane: ControlPlane, tmp_path: Path
    ) -> None:
        folder = tmp_path / "data"
        (folder / "deep").mkdir(parents=True)
        (folder / "deep" / "rows.csv").write_text("1,2\n")
        control_plane.give_dataset(folder)
        found = transfer(control_plane)

        (listed,) = found.listing(control_plane.dataset_uri, Deadline())
        asked = addresses(control_plane)
        granted = Granted(asked, listed.uri, asked.get([listed.uri])[0])
        Download(Wire(5), granted, Patience(10)).into(tmp_path / "got.csv")

        assert (tmp_path / "got.csv").read_text() == "1,2\n"
        with pytest.raises(TransferError, match="422"):
            asked.get(["s3://eventrain/elsewhere"])


class TestItsVoice:
    def test_tells_what_it_hears_in_lines(self, control_plane: ControlPlane, say: Say) -> None:
        lines: list[str] = []
        control_plane.listen(lambda heard: lines.append(heard.line()))
        say(7, epoch=2, totalEpochs=6, progress=0.5, metrics={"loss": 0.25})
        control_plane.calls.line_up(["broken"])
        say(8)

        assert "1  heartbeat  #7  epoch 2/6  50%  loss 0.25" in lines[0]
        assert lines[1].endswith("heartbeat  #8  → 500")

    def test_says_no_secret(self, control_plane: ControlPlane, say: Say) -> None:
        say()
        with urllib.request.urlopen(f"{control_plane.url}/mock/heard") as answer:
            told = json.load(answer)["data"]
        assert [each["what"] for each in told] == ["heartbeat"]
        assert told[0]["token"] == ""


class TestKeys:
    def test_each_is_understood(self, control_plane: ControlPlane) -> None:
        keys = Keys(control_plane)
        for key in KEYS:
            keys.press(key)
        assert control_plane.calls.mode in CALLS
        assert control_plane.job.attempt == 2
        keys.press("q")
        assert keys.quit


class TestOverHttp:
    @pytest.mark.parametrize(
        "wishes",
        [
            {"calls": "tired"},
            {"nothing": "known"},
            {"calls": "away", "stop": "now"},
            {"next": "up"},
            [],
        ],
    )
    def test_refuses_what_it_does_not_understand_and_does_nothing_of_it(
        self, control_plane: ControlPlane, wishes: Any
    ) -> None:
        answer = Wire(5).send("POST", f"{control_plane.url}/mock", json.dumps(wishes).encode())
        assert answer.status in (400, 422)
        assert (control_plane.calls.mode, control_plane.heard) == ("up", [])

    def test_is_told_as_a_test_would_tell_it(self, control_plane: ControlPlane, say: Say) -> None:
        wishes = {"next": ["away", "broken"], "stop": "stop", "tokens": "renew"}
        answer = Wire(5).send("POST", f"{control_plane.url}/mock", json.dumps(wishes).encode())
        assert answer.status == 200
        assert [say(n).verdict for n in (1, 2)] == [Verdict.LATER] * 2
        assert say(3).data["command"] == "stop"


@pytest.fixture
def mocking(tmp_path: Path) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    started: list[subprocess.Popen[str]] = []

    def start(*options: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "eventrain_trainer", "mock", *options]
        started.append(
            subprocess.Popen(
                command, cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
            )
        )
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


class TestTheCommand:
    def test_runs_a_trainer_and_shows_what_it_says(
        self, mocking: Callable[..., "subprocess.Popen[str]"], tmp_path: Path
    ) -> None:
        make("bowls", tmp_path)
        process = mocking("--set", "epochs=3", "--", "bowls")

        said, _ = process.communicate(timeout=100)

        assert process.returncode == 0, said
        assert "checkpoint_saved  name=" in said
        assert "done       succeeded  exit 0  1 artifacts" in said

    def test_writes_down_what_a_trainer_elsewhere_must_find(
        self, mocking: Callable[..., "subprocess.Popen[str]"], tmp_path: Path
    ) -> None:
        bowls = make("bowls", tmp_path)
        file = tmp_path / "environ"
        port = str(free_port())
        # As a script's shell has it for what runs in the background.
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        process = mocking("--port", port, "--set", "epochs=2", "--env-file", str(file), "--json")
        signal.signal(signal.SIGINT, before)
        assert process.stdout is not None
        assert port in process.stdout.readline()

        run = f"{sys.executable} -m eventrain_trainer run -- {bowls}/__main__.py"
        path = {"PATH": os.environ["PATH"], "TMPDIR": str(tmp_path)}
        shell = ["/bin/sh", "-c", f"set -a; . {file}; exec {run}"]
        subprocess.run(shell, check=True, env=path, timeout=100)

        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=30)
        assert process.returncode == 130
        heard = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
        assert [each["what"] for each in heard][-1] == "done"

    def test_names_what_it_cannot_start(
        self, mocking: Callable[..., "subprocess.Popen[str]"]
    ) -> None:
        process = mocking("--", "nowhere.py")
        process.communicate(timeout=60)
        assert process.returncode == 2
