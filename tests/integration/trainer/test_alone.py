"""A program that imports the SDK and is started by no runner speaks for itself."""

import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.trainer.control_plane import ControlPlane


@pytest.fixture
def started(tmp_path: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    processes: list[subprocess.Popen[bytes]] = []
    yield processes
    for process in processes:
        process.kill()
        process.wait()


def _start(
    started: list[subprocess.Popen[bytes]], plane: ControlPlane, script: str, **environ: str
) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", textwrap.dedent(script)]
    started.append(subprocess.Popen(command, env=plane.environ(**environ)))
    return started[-1]


class TestAlone:
    def test_beats_and_reports(
        self, plane: ControlPlane, started: list[subprocess.Popen[bytes]], tmp_path: Path
    ) -> None:
        script = """
            import eventrain_trainer as et
            with et.start() as run:
                run.log(epoch=1, loss=0.5)
        """
        assert _start(started, plane, script, WORK_DIR=str(tmp_path)).wait(20) == 0
        assert plane.dones[0]["outcome"] == "succeeded"
        assert plane.points[0]["value"] == 0.5

    def test_reports_an_exception_that_nobody_caught(
        self, plane: ControlPlane, started: list[subprocess.Popen[bytes]]
    ) -> None:
        script = """
            import eventrain_trainer as et
            run = et.start()
            run.log(loss=1)
            raise KeyError("label")
        """
        assert _start(started, plane, script).wait(20) == 1
        [done] = plane.dones
        assert (done["outcome"], done["errorClass"]) == ("failed", "user")

    def test_hears_a_sigterm_between_two_steps(
        self, plane: ControlPlane, started: list[subprocess.Popen[bytes]]
    ) -> None:
        script = """
            import sys, time
            import eventrain_trainer as et
            run = et.start()
            while not run.should_stop:
                run.log(loss=1)
                time.sleep(0.02)
            run.finish()
            sys.exit(143)
        """
        process = _start(started, plane, script)
        plane.wait_for(lambda: plane.points)
        process.send_signal(signal.SIGTERM)

        assert process.wait(20) == 143
        assert plane.dones[0]["errorClass"] == "transient"

    def test_a_job_that_is_not_told_enough_says_what_is_missing(
        self, plane: ControlPlane, started: list[subprocess.Popen[bytes]], tmp_path: Path
    ) -> None:
        script = """
            import eventrain_trainer as et
            try:
                et.start()
            except Exception as error:
                assert "DONE_URL" in str(error), error
        """
        assert _start(started, plane, script, DONE_URL="").wait(20) == 0
