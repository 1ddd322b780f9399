"""`python -m eventrain_trainer mock [-- program args]`: a control plane to try a trainer with.

Without a program it prints the environment to start one in, elsewhere. While it runs it shows all
that it hears; keys, or HTTP at /mock, tell it what to do.
"""

import argparse
import json
import shlex
import signal
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from eventrain_trainer.mock.fault import CALLS, UPLOADS
from eventrain_trainer.mock.heard import Heard
from eventrain_trainer.mock.keys import HELP, Keys
from eventrain_trainer.mock.plane import ControlPlane
from eventrain_trainer.mock.program import Attempt, NotATrainer, Trainer

USAGE = 2
INTERRUPTED = 130


def main(argv: Sequence[str]) -> int:
    given, command = _split(argv)
    asked = _parser().parse_args(given)
    # A script that starts it in the background has it ignore what would end it otherwise.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with ExitStack() as stack:
            plane = stack.enter_context(_plane(asked))
            return _run(plane, asked, command, stack)
    except (NotATrainer, OSError) as error:
        sys.stderr.write(f"eventrain: {error}\n")
        return USAGE
    except KeyboardInterrupt:
        return INTERRUPTED


def _run(
    plane: ControlPlane, asked: argparse.Namespace, command: Sequence[str], stack: ExitStack
) -> int:
    plane.listen(_show_json if asked.json else _show)
    _apply(plane, asked)
    file = _write_environment(plane, asked.env_file)
    attempt = _start(plane, asked, command) if command else None
    if attempt:
        stack.callback(attempt.kill)
    _say(f"A control plane at {plane.url}, for job {plane.job.id}. {HELP}")
    if not attempt:
        _say(f"In another terminal:  set -a; . {shlex.quote(str(file))}; set +a")
        _say("then start your program there:  python -m eventrain_trainer run -- train.py")
    keys = stack.enter_context(Keys(plane))
    while not keys.quit and not (attempt and attempt.ended):
        keys.hear(0.2)
    return _result(attempt)


def _result(attempt: Attempt | None) -> int:
    if attempt is None or not attempt.ended:
        return 0
    code = attempt.wait()
    if code:
        sys.stdout.write(attempt.output[-4000:])
    _say(f"The program ended with {code}.")
    return code if code >= 0 else 128 - code


def _plane(asked: argparse.Namespace) -> ControlPlane:
    plane = ControlPlane(
        asked.folder, port=asked.port, interval=asked.interval, token_seconds=asked.token_seconds
    )
    plane.delay = asked.delay
    plane.hyperparameters = dict(_pair(text) for text in asked.set)
    return plane


def _apply(plane: ControlPlane, asked: argparse.Namespace) -> None:
    if asked.dataset:
        plane.give_dataset(asked.dataset)
    if asked.model:
        plane.give_model(asked.model)
    plane.calls.mode, plane.uploads.mode = asked.calls, asked.uploads


def _start(plane: ControlPlane, asked: argparse.Namespace, command: Sequence[str]) -> Attempt:
    trainer = Trainer.find(Path(command[0]), python=asked.python or "", alone=asked.alone)
    return Attempt([*trainer.command, *command[1:]], plane.environ(), plane.folder)


def _write_environment(plane: ControlPlane, file: Path | None) -> Path:
    target = file or plane.folder / "environ"
    inherited = ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH", "TMPDIR", "VIRTUAL_ENV", "PYTHONPATH")
    lines = [
        f"{name}={shlex.quote(value)}\n"
        for name, value in plane.environ().items()
        if name not in inherited
    ]
    target.write_text("".join(lines), encoding="utf-8")
    return target


def _show(heard: Heard) -> None:
    _say(heard.line())


def _show_json(heard: Heard) -> None:
    said = {"at": heard.at, "what": heard.what, "attempt": heard.attempt}
    _say(json.dumps({**said, "status": heard.status, "body": heard.body}))


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _split(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    given = list(argv)
    at = given.index("--") if "--" in given else len(given)
    return given[:at], given[at + 1 :]


def _pair(text: str) -> tuple[str, object]:
    name, _, value = text.partition("=")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="eventrain mock",
        description="A control plane to try a trainer with: it shows what it hears, and misbehaves"
        " when it is told to. After -- a program, which is started behind the runner.",
    )
    add = parser.add_argument
    add("--port", type=int, default=0, help="where it listens; any free one by default")
    add("--interval", type=float, default=1.0, help="seconds between heartbeats")
    add("--token-seconds", type=float, default=6 * 3600.0, help="how long a token lives")
    add("--calls", choices=list(CALLS), default="up", help="how callbacks are answered at first")
    add("--uploads", choices=list(UPLOADS), default="kept", help="what becomes of uploads")
    add("--delay", type=float, default=2.0, help="how many seconds late a slow answer comes")
    add("--set", action="append", default=[], metavar="NAME=VALUE", help="a hyperparameter")
    add("--dataset", type=Path, help="a file or folder that the job learns from")
    add("--model", type=Path, help="a file or folder that the job starts from")
    add("--folder", type=Path, help="where its bucket lies; a temporary one by default")
    add("--env-file", type=Path, help="where to write the environment for a program")
    add("--python", help="the interpreter of the program; its framework's by default")
    add("--alone", action="store_true", help="start the program without the runner")
    add("--json", action="store_true", help="a JSON object for each line")
    return parser
