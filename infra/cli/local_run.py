"""The local stack around `up` and `demo`: started, used, stopped in order.

The stack hears Ctrl-C and SIGTERM itself: waiting ends, other work raises `Interrupted`.
"""

from __future__ import annotations

import asyncio
import json
import shlex
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path

from eventrain_client.client import Client
from eventrain_client.errors import EventrainError

from infra.cli import exit_codes
from infra.cli.demo import Demo, run_demo
from infra.cli.digits import write_digits
from infra.cli.errors import CommandFault
from infra.cli.output import Output
from infra.local.problem import Interrupted, StackProblem
from infra.local.settings import CLONE, DEFAULT_HOME, StackSettings
from infra.local.stack import Stack, running

EXAMPLE = CLONE / "docs" / "examples" / "digits.yaml"
COMMANDS = ("list", "models", "show ID", "logs ID", f"submit -f {EXAMPLE} --follow", "--help")


class _Stopped(Exception):
    """The demo's thread was asked to stop."""


def stay_up(settings: StackSettings, output: Output) -> int:
    return _run(_stay_up(settings, output))


def show_demo(settings: StackSettings, output: Output, *, stay: bool) -> int:
    return _run(_show_demo(settings, output, stay))


def _run(work: Coroutine[None, None, int]) -> int:
    try:
        return asyncio.run(work)
    except Interrupted:
        return exit_codes.INTERRUPTED
    except StackProblem as problem:
        raise CommandFault(str(problem)) from problem


async def _stay_up(settings: StackSettings, output: Output) -> int:
    async with running(settings, on_step=output.notice) as stack:
        if output.as_json:
            output.data_line(
                {
                    "address": stack.address,
                    "home": str(stack.home.folder),
                    "mlflow": stack.mlflow.address if stack.mlflow else None,
                }
            )
        else:
            _show_address(stack, output)
            output.line("Ctrl-C stops it; everything is kept.")
        await stack.wait_closed()
    return exit_codes.OK


async def _show_demo(settings: StackSettings, output: Output, stay: bool) -> int:
    async with running(settings, on_step=output.notice) as stack:
        home = stack.home.folder
        output.line(f"[bold]Stack[/]    runs at {stack.address}, keeps everything in {home}")
        code = await stack.unless_closed(_demonstrate(stack, output))
        if code:
            output.notice(_where_logs_lie(home))
        elif stay:
            output.line()
            _show_address(stack, output)
            output.line("It stays up until Ctrl-C; everything is kept.")
            await stack.wait_closed()
    return code


async def _demonstrate(stack: Stack, output: Output) -> int:
    """On a thread of its own: the gateway that answers it lives on this one."""
    stopped = threading.Event()

    def sleep(seconds: float) -> None:
        if stopped.wait(seconds):
            raise _Stopped

    try:
        return await asyncio.to_thread(_journey, stack, output, sleep)
    except EventrainError as error:
        error.advice = f"{error.advice} {_where_logs_lie(stack.home.folder)}".strip()
        raise
    finally:
        stopped.set()


def _journey(stack: Stack, output: Output, sleep: Callable[[float], None]) -> int:
    saved = json.loads(stack.client_file.read_text(encoding="utf-8"))
    with (
        tempfile.TemporaryDirectory(dir=stack.home.folder) as scratch,
        Client(stack.address, saved["token"], sleep=sleep) as client,
    ):
        return run_demo(Demo(client, output, write_digits, Path(scratch), sleep))


def _where_logs_lie(home: Path) -> str:
    return f"The logs lie in {home / 'logs'}."


def _show_address(stack: Stack, output: Output) -> None:
    home = stack.home.folder
    output.line(f"[bold]Eventrain answers at {stack.address}[/]; its home is {home}.")
    if stack.mlflow:
        output.line(f"MLflow answers at {stack.mlflow.address}, once it has started.")
    else:
        output.line("MLflow is off; `make up MLFLOW=1` runs its server too.")
    output.line("In another terminal:")
    if home != DEFAULT_HOME.expanduser().resolve():
        output.line(f"  export EVENTRAIN_HOME={shlex.quote(str(home))}")
    for rest in COMMANDS:
        output.line(f"  {_program()} {rest}")


def _program() -> str:
    """As it is typed here: by its name only where a shell finds it."""
    installed = Path(sys.executable).with_name("eventrain")
    found = shutil.which("eventrain")
    return "eventrain" if found and Path(found).samefile(installed) else str(installed)
