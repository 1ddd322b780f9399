"""Runs one child after another and watches each to its end: what it prints is told, and a stop
that is asked for reaches whichever runs."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import NoReturn, TypeVar

from eventrain_trainer.hub import Hub
from eventrain_trainer.logs import Capture, LineChunks
from eventrain_trainer.session import Session

T = TypeVar("T")

SHARE_OF_GRACE = 0.5
PIPES_WAIT = 2.0


@dataclass(frozen=True, slots=True)
class Exited:
    code: int


@dataclass(frozen=True, slots=True)
class StopAsked:
    reason: str


News = SimpleQueue[Exited | StopAsked]


class Stopped(Exception):
    """Somebody asked for the end while there was no program yet."""


@dataclass(frozen=True, slots=True)
class Ended:
    """The exit code as Popen gives it, why it was stopped if it was, and its last lines."""

    code: int
    stopped: str
    lines: Sequence[str]


@dataclass
class Watch:
    """A stop is asked for and, halfway through the grace, forced. What the children print is one
    stream with one count of lines."""

    news: News
    session: Session
    hub: Hub
    grace: float

    def __post_init__(self) -> None:
        self._out = LineChunks("stdout", self.session.event)
        self._err = LineChunks("stderr", self.session.event)

    def run(
        self, argv: Sequence[str], environ: Mapping[str, str], cwd: Path | None = None
    ) -> Ended:
        """Raises OSError for what cannot be started."""
        child = _spawn(argv, environ, cwd, self.news)
        captures = self._capture(child)
        code, stopped = self._until_the_end(child)
        for capture in captures:
            capture.close(PIPES_WAIT)
        return Ended(code, stopped, [line for one in captures for line in one.chunks.tail])

    def wait_for(self, work: Callable[[], T]) -> T:
        """What work of ours answers that may take long; a stop that is asked for ends the waiting.
        Raises Stopped, and what the work raises."""
        done: SimpleQueue[Callable[[], T]] = SimpleQueue()

        def run() -> None:
            try:
                answer = work()
            except BaseException as error:  # noqa: BLE001 raised where it is waited for
                done.put(partial(_throw, error))
            else:
                done.put(lambda: answer)
            self.news.put(Exited(0))

        threading.Thread(target=run, name="eventrain-work", daemon=True).start()
        match self.news.get():
            case StopAsked(reason):
                self.session.hurry(self.grace * 0.95)
                raise Stopped(reason)
            case Exited():
                return done.get()()

    def _capture(self, child: subprocess.Popen[bytes]) -> list[Capture]:
        assert child.stdout is not None
        assert child.stderr is not None
        self._out.tail.clear()
        self._err.tail.clear()
        return [
            Capture(child.stdout, sys.stdout.buffer, self._out),
            Capture(child.stderr, sys.stderr.buffer, self._err),
        ]

    def _until_the_end(self, child: subprocess.Popen[bytes]) -> tuple[int, str]:
        stopped, kill_at = "", float("inf")
        while True:
            match self._next(kill_at):
                case Exited(code):
                    return code, stopped
                case StopAsked(reason):
                    if not stopped:
                        stopped, kill_at = reason, time.monotonic() + self.grace * SHARE_OF_GRACE
                        self._ask(child, reason)
                case None:
                    kill_at = float("inf")
                    child.kill()

    def _next(self, until: float) -> Exited | StopAsked | None:
        wait = until - time.monotonic()
        try:
            return self.news.get(timeout=max(0.0, wait) if wait < 1e9 else None)
        except Empty:
            return None

    def _ask(self, child: subprocess.Popen[bytes], reason: str) -> None:
        self.session.hurry(self.grace * 0.95)
        self.hub.tell_stop(reason)
        child.terminate()


def _throw(error: BaseException) -> NoReturn:
    raise error


def _spawn(
    argv: Sequence[str], environ: Mapping[str, str], cwd: Path | None, news: News
) -> subprocess.Popen[bytes]:
    child = subprocess.Popen(
        argv,
        cwd=cwd,
        env={"PYTHONUNBUFFERED": "1", **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
    )
    threading.Thread(
        target=lambda: news.put(Exited(child.wait())), name="eventrain-child", daemon=True
    ).start()
    return child
