"""Runs a training program as a child, speaks for it, and reports how it ended.

The program may be a framework of this package, any Python script, or any command. Training never
shares a process with the voice: a loop that holds the interpreter, a crash or a kill for memory
silences nothing.
"""

import importlib.util
import re
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from queue import SimpleQueue

from eventrain_trainer import own_code
from eventrain_trainer.addresses import TransferError
from eventrain_trainer.checkpoint_folder import FOLDER, RESUME, CheckpointFolder
from eventrain_trainer.child import Ended, News, StopAsked, Stopped, Watch
from eventrain_trainer.hub import Hub
from eventrain_trainer.outcome import Ending, classify_exit
from eventrain_trainer.port import End, Saved
from eventrain_trainer.preparation import CannotPrepare
from eventrain_trainer.relay.relay import environ_of, open_relay
from eventrain_trainer.session import Session
from eventrain_trainer.settings import Settings
from eventrain_trainer.staging import Staging
from eventrain_trainer.start import RUNNER_SOCKET
from eventrain_trainer.upload import stamp

FRAMEWORK = re.compile(r"^[a-z][a-z0-9_]*$")
STOPPED = 128 + signal.SIGTERM


class CannotRun(Exception):
    """There is no program to run."""


def run(settings: Settings, command: Sequence[str], environ: Mapping[str, str]) -> int:
    """The exit code of the job: 0, the program's own, or 143 for one that was stopped."""
    news: News = SimpleQueue()
    session = Session(settings, on_stop=lambda reason: news.put(StopAsked(reason)))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda caught, _: news.put(StopAsked(signal.Signals(caught).name)))
    session.open()
    relay = open_relay(settings, session)
    ending = _ending(settings, command, environ_of(relay, environ), session, news)
    if relay is not None:
        relay.end(ending, stopped=ending.exit_code == STOPPED)
    ending = session.conclude(ending)
    if relay is not None:
        relay.clear()
    return ending.exit_code or 0


def _ending(
    settings: Settings,
    command: Sequence[str],
    environ: Mapping[str, str],
    session: Session,
    news: News,
) -> Ending:
    try:
        settings.work_dir.mkdir(parents=True, exist_ok=True)
        with closing(Hub(session)) as hub:
            watch = Watch(news, session, hub, settings.grace)
            ended = _train(settings, command, {**environ, RUNNER_SOCKET: hub.path}, session, watch)
    except CannotPrepare as error:
        return error.ending
    except Stopped as reason:
        return Ending("failed", "transient", STOPPED, f"stopped: {reason}")
    except TransferError as error:
        return Ending("failed", "transient", 1, f"the checkpoint could not be fetched: {error}")
    except (CannotRun, OSError) as error:
        return Ending("failed", "user", 127, f"cannot run: {error}")
    return judge(ended.code, ended.stopped, ended.lines, session.end)


def _train(
    settings: Settings,
    command: Sequence[str],
    environ: Mapping[str, str],
    session: Session,
    watch: Watch,
) -> Ended:
    code, folder = settings.config.source, settings.work_dir.resolve() / "checkpoints"
    if checkpoint := watch.wait_for(lambda: session.fetch("checkpoint")):
        environ = {**environ, RESUME: str(checkpoint.resolve())}
    environ = {**environ, FOLDER: str(folder)}
    if command or code is None:
        argv = program(command, settings.framework, settings.config.args)
        return _run(argv, environ, None, folder, session, watch)
    theirs = own_code.prepare(code, settings, environ, session, watch)
    ended = _run(theirs.argv, theirs.environ, theirs.cwd, folder, session, watch)
    own_code.keep_output(own_code.output_of(settings), session)
    return ended


def _run(
    argv: Sequence[str],
    environ: Mapping[str, str],
    cwd: Path | None,
    folder: Path,
    session: Session,
    watch: Watch,
) -> Ended:
    """The program, and what it leaves in the folder of its checkpoints."""
    staging = Staging(folder.parent / "staging" / "folder")

    def save(path: Path) -> None:
        kept, (step, epoch) = staging.keep(path, copy=False), session.whereabouts()
        session.checkpoint(Saved(kept, path.name, stamp(kept), kept != path, step, epoch))

    checkpoints = CheckpointFolder(folder, save)
    checkpoints.open()
    ended: Ended | None = None
    try:
        ended = watch.run(argv, environ, cwd)
        return ended
    finally:
        checkpoints.close(whole=ended is not None and _left_whole(ended, watch))


def _left_whole(ended: Ended, watch: Watch) -> bool:
    """Whether the program came to its end by itself, so that what it wrote is closed. One that
    speaks to us and is stopped may be thrown out of the middle of anything."""
    return ended.code == 0 or (bool(ended.stopped) and ended.code > 0 and not watch.hub.spoken_to)


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
