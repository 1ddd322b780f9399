"""Runs a training program as a child, speaks for it, and reports how it ended.

The program may be a framework of this package, any Python script, or any command. Training never
shares a process with the voice: a loop that holds the interpreter, a crash or a kill for memory
silences nothing.
"""

import importlib.util
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue

from eventrain_trainer.hub import Hub
from eventrain_trainer.logs import Capture, LineChunks
from eventrain_trainer.outcome import Ending, classify_exit
from eventrain_trainer.port import End
from eventrain_trainer.session import Session
from eventrain_trainer.settings import Settings
from eventrain_trainer.start import RUNNER_SOCKET

FRAMEWORK = re.compile(r"^[a-z][a-z0-9_]*$")
STOPPED = 128 + signal.SIGTERM
SHARE_OF_GRACE = 0.5
PIPES_WAIT = 2.0


class CannotRun(Exception):
    """There is no program to run."""


@dataclass(frozen=True, slots=True)
class Exited:
    code: int


@dataclass(frozen=True, slots=True)
class StopAsked:
    reason: str


News = SimpleQueue[Exited | StopAsked]


def run(settings: Settings, command: Sequence[str], environ: Mapping[str, str]) -> int:
    """The exit code of the job: 0, the program's own, or 143 for one that was stopped."""
    news: News = SimpleQueue()
    session = Session(settings, on_stop=lambda reason: news.put(StopAsked(reason)))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda caught, _: news.put(StopAsked(signal.Signals(caught).name)))
    session.open()
    try:
        argv = program(command, settings.framework, settings.config.args)
        settings.work_dir.mkdir(parents=True, exist_ok=True)
        hub = Hub(session)
        child = _spawn(argv, {**environ, RUNNER_SOCKET: hub.path}, news)
    except (CannotRun, OSError) as error:
        session.conclude(Ending("failed", "user", 127, f"cannot run: {error}"))
        return 127
    captures = _capture(child, session)
    code, stopped = Watch(child, news, session, hub, settings.grace).until_the_end()
    hub.close()
    for capture in captures:
        capture.close(PIPES_WAIT)
    lines = [line for capture in captures for line in capture.chunks.tail]
    ending = session.conclude(judge(code, stopped, lines, session.end))
    return ending.exit_code or 0


def program(command: Sequence[str], framework: str, args: Sequence[str]) -> list[str]:
    """What to execute: the command given, a script by its name, or the framework asked for."""
    if command:
        python = [sys.executable] if command[0].endswith(".py") else []
        return [*python, *command, *args]
    name = framework.replace("-", "_")
    if not FRAMEWORK.match(name):
        raise CannotRun("neither a command nor TRAINER_FRAMEWORK says what to run")
    module = f"eventrain_trainer.frameworks.{name}"
    if importlib.util.find_spec(module) is None:
        raise CannotRun(f"this image has no framework {name}; it has: {', '.join(frameworks())}")
    return [sys.executable, "-m", module, *args]


def frameworks() -> list[str]:
    folder = Path(__file__).parent / "frameworks"
    return sorted(found.parent.name for found in folder.glob("*/manifest.yaml"))


def judge(code: int, stopped: str, lines: Sequence[str], end: End) -> Ending:
    """The exit is the evidence; what the program said itself makes it more precise."""
    if code == 0 and end.outcome == "succeeded":
        return Ending("succeeded", exit_code=0)
    if stopped:
        return Ending("failed", "transient", STOPPED, f"stopped: {stopped}")
    ending = classify_exit(code, lines)
    if code == 0 and end.outcome == "failed":
        return Ending("failed", end.error_class or "user", end.exit_code or 1, end.message)
    if code > 0 and end.error_class:
        return Ending("failed", end.error_class, ending.exit_code, ending.message)
    return ending


@dataclass
class Watch:
    """Waits for the child's end; a stop is asked for and, halfway through the grace, forced."""

    child: subprocess.Popen[bytes]
    news: News
    session: Session
    hub: Hub
    grace: float

    def until_the_end(self) -> tuple[int, str]:
        stopped, kill_at = "", float("inf")
        while True:
            match self._next(kill_at):
                case Exited(code):
                    return code, stopped
                case StopAsked(reason):
                    if not stopped:
                        stopped, kill_at = reason, time.monotonic() + self.grace * SHARE_OF_GRACE
                        self._ask(reason)
                case None:
                    kill_at = float("inf")
                    self.child.kill()

    def _next(self, until: float) -> Exited | StopAsked | None:
        wait = until - time.monotonic()
        try:
            return self.news.get(timeout=max(0.0, wait) if wait < 1e9 else None)
        except Empty:
            return None

    def _ask(self, reason: str) -> None:
        self.session.hurry(self.grace * 0.95)
        self.hub.tell_stop(reason)
        self.child.terminate()


def _spawn(argv: list[str], environ: Mapping[str, str], news: News) -> subprocess.Popen[bytes]:
    child = subprocess.Popen(
        argv,
        env={"PYTHONUNBUFFERED": "1", **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
    )
    threading.Thread(
        target=lambda: news.put(Exited(child.wait())), name="eventrain-child", daemon=True
    ).start()
    return child


def _capture(child: subprocess.Popen[bytes], session: Session) -> list[Capture]:
    assert child.stdout is not None
    assert child.stderr is not None
    return [
        Capture(child.stdout, sys.stdout.buffer, LineChunks("stdout", session.event)),
        Capture(child.stderr, sys.stderr.buffer, LineChunks("stderr", session.event)),
    ]
