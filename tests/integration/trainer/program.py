"""A trainer's runner as a process, with exactly the environment that a test gives it."""

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path


class Program:
    """A command that starts with a line break is the text of a Python script."""

    def __init__(self, folder: Path, command: Sequence[str], environ: Mapping[str, str]) -> None:
        given = dict(environ)
        python = given.pop("PYTHON", sys.executable)
        self.log = folder / "program.log"
        work = folder / f"work-{given.get('ATTEMPT', '0')}"
        given.setdefault("WORK_DIR", str(work))
        given.setdefault("TMPDIR", str(folder))
        given.setdefault("HOME", str(folder))
        if command and command[0].startswith("\n"):
            script = folder / "script.py"
            script.write_text(textwrap.dedent(command[0]))
            command = [str(script), *command[1:]]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [python, "-m", "eventrain_trainer", "run", "--", *command],
                env=given,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait(self, seconds: float = 90.0) -> int:
        return self.process.wait(seconds)

    def terminate(self) -> None:
        self.process.terminate()

    def kill(self) -> None:
        """With whatever it started."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        finally:
            self.process.wait()

    @property
    def output(self) -> str:
        return self.log.read_text()
