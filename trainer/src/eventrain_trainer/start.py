"""Where a run begins: behind a runner, on its own in a job, or outside any."""

import atexit
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType, TracebackType

from eventrain_trainer.channel import Channel
from eventrain_trainer.console import Console
from eventrain_trainer.outcome import exit_status
from eventrain_trainer.port import Port
from eventrain_trainer.run import Run
from eventrain_trainer.session import Session
from eventrain_trainer.settings import Settings, TrainerConfig, in_a_job, rank
from eventrain_trainer.staging import Staging

log = logging.getLogger("eventrain")

RUNNER_SOCKET = "EVENTRAIN_RUNNER_SOCKET"


def start(environ: Mapping[str, str] | None = None) -> Run:
    """Returns at once, whoever listens; raises only SettingsError, before anything began.

    Where several processes train together, only the one of rank 0 speaks for them; the others'
    calls do nothing, and `should_stop` and `dataset` work.
    """
    environ = os.environ if environ is None else environ
    muted = rank(environ) > 0
    config = TrainerConfig.from_json(environ.get("TRAINER_CONFIG", ""))
    work_dir = Path(environ.get("WORK_DIR") or ".")
    staging = Staging(work_dir / "staging" / str(os.getpid())) if in_a_job(environ) else None
    run = Run(_port(environ, muted), config, work_dir, muted=muted, staging=staging)
    if in_a_job(environ):
        _watch_for_the_end(run)
    return run


def _port(environ: Mapping[str, str], muted: bool) -> Port:
    if environ.get(RUNNER_SOCKET):
        try:
            return Channel(environ[RUNNER_SOCKET])
        except OSError as error:
            log.warning("the runner does not listen (%s): nothing will be reported", error)
            return Console(environ)
    if not in_a_job(environ):
        return Console(environ)
    session = Session(Settings.from_environ(environ))
    if not muted:
        session.open()
    return session


def _watch_for_the_end(run: Run) -> None:
    before = sys.excepthook

    def note(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        before(kind, error, trace)
        run.fail(error)

    sys.excepthook = note
    atexit.register(run.close)
    in_main = threading.current_thread() is threading.main_thread()
    if in_main and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _on_sigterm(run))


def _on_sigterm(run: Run) -> Callable[[int, FrameType | None], None]:
    def handle(number: int, frame: FrameType | None) -> None:
        """The first is a request to a program that listens; else it is the end."""
        again = run.signalled()
        if again or not run.asked_to_stop:
            raise SystemExit(exit_status(-number))

    return handle
