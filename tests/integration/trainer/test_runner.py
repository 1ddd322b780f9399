import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.trainer.control_plane import ControlPlane
from tests.integration.trainer.program import Program

Start = Callable[..., Program]


class TestAnyProgram:
    def test_reports_a_script_that_ends_well(self, plane: ControlPlane, program: Start) -> None:
        run = program("\nprint('hello')", **plane.environ())

        assert run.wait() == 0
        [done] = plane.dones
        assert done["outcome"] == "succeeded"
        assert done["exitCode"] == 0

    @pytest.mark.parametrize(
        ("script", "code", "error_class", "said"),
        [
            ("\nraise SystemExit(3)", 3, "user", "exit code 3"),
            ("\nraise ValueError('no such column')", 1, "user", "no such column"),
            ("\nimport not_there", 1, "user", "No module named"),
            ("\nraise MemoryError()", 1, "transient", "MemoryError"),
            ("\nraise ConnectionResetError('gone')", 1, "transient", "gone"),
            ("\nimport os, signal; os.kill(os.getpid(), signal.SIGKILL)", 137, "transient", "KILL"),
            ("\nimport os, signal; os.kill(os.getpid(), signal.SIGSEGV)", 139, "permanent", "SEGV"),
        ],
    )
    def test_reports_how_a_script_failed(
        self,
        plane: ControlPlane,
        program: Start,
        script: str,
        code: int,
        error_class: str,
        said: str,
    ) -> None:
        run = program(script, **plane.environ())

        assert run.wait() == code
        [done] = plane.dones
        assert (done["outcome"], done["errorClass"], done["exitCode"]) == (
            "failed",
            error_class,
            code,
        )
        assert said in done["message"]

    def test_runs_a_command_that_is_not_python(self, plane: ControlPlane, program: Start) -> None:
        run = program("/bin/sh", "-c", "echo shell; exit 4", **plane.environ())

        assert run.wait() == 4
        assert plane.dones[0]["exitCode"] == 4

    def test_reports_a_command_that_is_not_there(self, plane: ControlPlane, program: Start) -> None:
        run = program("/no/such/program", **plane.environ())

        assert run.wait() == 127
        assert plane.dones[0]["errorClass"] == "user"

    def test_names_the_frameworks_there_are_when_asked_for_another(
        self, plane: ControlPlane, program: Start
    ) -> None:
        run = program(**plane.environ(TRAINER_FRAMEWORK="abacus"))

        assert run.wait() == 127
        assert "sklearn" in plane.dones[0]["message"]

    def test_gives_the_script_its_arguments(self, plane: ControlPlane, program: Start) -> None:
        config = json.dumps({"args": ["--lr", "0.1"]})
        run = program(
            "\nimport sys; print(sys.argv[1:])", "--deep", **plane.environ(TRAINER_CONFIG=config)
        )

        assert run.wait() == 0
        assert "['--deep', '--lr', '0.1']" in run.output

    def test_tells_what_is_printed_with_stream_and_offset(
        self, plane: ControlPlane, program: Start
    ) -> None:
        script = """
            import sys
            for number in range(450):
                print("line", number)
            sys.stderr.write("a\\0b\\n")
            print("without an end", end="")
        """
        assert program(script, **plane.environ()).wait() == 0

        told = plane.of_type("log")
        out = [event for event in told if event["stream"] == "stdout"]
        lines = [line for event in out for line in event["lines"]]
        assert lines == [*(f"line {number}" for number in range(450)), "without an end"]
        assert [event["offset"] for event in out] == _running_sum(out)
        assert [event["lines"] for event in told if event["stream"] == "stderr"] == [["a\ufffdb"]]

    def test_beats_although_the_script_never_lets_go(
        self, plane: ControlPlane, program: Start
    ) -> None:
        script = """
            import re
            re.match(r"(a+)+$", "a" * 24 + "b")
        """
        assert program(script, **plane.environ()).wait() == 0
        assert len(plane.heartbeats) >= 3


class TestOutsideAJob:
    def test_runs_the_script_unchanged(self, program: Start) -> None:
        script = """
            import eventrain_trainer as et
            run = et.start()
            run.log(epoch=1, loss=0.5)
            assert run.dataset() is None and run.resume() is None and not run.should_stop
            run.finish(metrics={"loss": 0.5})
        """
        run = program(script, PATH="/usr/bin:/bin")

        assert run.wait() == 0
        assert "epoch 1 · loss 0.5" in run.output
        assert "succeeded" in run.output

    def test_keeps_the_exit_code(self, program: Start) -> None:
        assert program("\nraise SystemExit(9)", PATH="/usr/bin:/bin").wait() == 9


class TestOtherRanks:
    def test_say_nothing(self, plane: ControlPlane, program: Start) -> None:
        script = """
            import eventrain_trainer as et
            run = et.start()
            run.log(loss=1)
            run.finish()
        """
        assert program(script, **plane.environ(RANK="1")).wait() == 0
        assert not plane.heartbeats
        assert not plane.dones


def _running_sum(events: list[dict[str, Any]]) -> list[int]:
    return [sum(len(e["lines"]) for e in events[:count]) for count in range(len(events))]
