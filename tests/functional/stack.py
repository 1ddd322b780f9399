"""`eventrain up` as a user starts it: a process, a home folder, Ctrl-C."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

from tests.postgres_server import CLONE

Command = Callable[..., subprocess.CompletedProcess[str]]


class Up:
    """A stack in a process of its own. `home` may be used again after it has ended."""

    def __init__(self, home: Path, port: int = 0, options: Sequence[str] = ()) -> None:
        self.home = home
        self._port = port
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, seconds: float = 60) -> None:
        (self.home / "client.json").unlink(missing_ok=True)
        self.home.mkdir(exist_ok=True)
        with (self.home / "up.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "infra.cli", "up"),
                    *("--port", str(self._port), "--home", str(self.home), *self._options),
                ],
                cwd=CLONE,
                env={**os.environ, "EVENTRAIN_HOME": str(self.home)},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + seconds
        while not (self.home / "client.json").exists():
            assert self._process.poll() is None, self.said()
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.05)

    def said(self) -> str:
        return (self.home / "up.log").read_text()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def interrupt(self, seconds: float = 30) -> int:
        """Ctrl-C; the exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGINT)
        return self._process.wait(seconds)

    def kill(self) -> None:
        """kill -9 of the stack itself."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def processes(self) -> list[psutil.Process]:
        """Every process that names this home, or was started by what does."""
        found: list[psutil.Process] = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                words = [*process.cmdline(), *process.environ().values()]
                if process.pid != os.getpid() and any(str(self.home) in word for word in words):
                    found.append(process)
        return found

    def kill_part(self, word: str) -> None:
        """kill -9 of whatever the stack itself started by a command that holds this word."""
        children = psutil.Process(self.pid).children(recursive=True)
        found = [child for child in children if word in " ".join(child.cmdline())]
        assert found, f"nothing runs {word}"
        for process in found:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()

    def trainers(self, job_id: str) -> list[psutil.Process]:
        """The processes of a job's pods."""
        found: list[psutil.Process] = []
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                if process.environ().get("JOB_ID") == job_id:
                    found.append(process)
        return found

    def end(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.interrupt()
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
