"""The local stack around `up` and `demo`: started, used, stopped in order."""

from __future__ import annotations

import asyncio
import signal
import tempfile
import threading
from collections.abc import Coroutine
from pathlib import Path

from infra.cli import exit_codes
from infra.cli.client import Client
from infra.cli.connection import find_connection
from infra.cli.demo import Demo, run_demo
from infra.cli.digits import write_digits
from infra.cli.errors import CommandFault, EventrainError
from infra.cli.output import Output
from infra.local.problem import StackProblem
from infra.local.stack import Stack, StackSettings, running

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _Stopped(Exception):
    """The demo was asked to stop."""


def stay_up(home: Path, port: int, output: Output) -> int:
    return _run(_stay_up(home, port, output), when_stopped=exit_codes.OK)


def show_demo(home: Path, port: int, output: Output, *, stay: bool) -> int:
    return _run(_show_demo(home, port, output, stay), when_stopped=exit_codes.INTERRUPTED)


def _run(work: Coroutine[None, None, int], *, when_stopped: int) -> int:
    try:
        return asyncio.run(_until_stopped(work, when_stopped))
    except StackProblem as problem:
        raise CommandFault(str(problem)) from problem


async def _until_stopped(work: Coroutine[None, None, int], when_stopped: int) -> int:
    """The first signal begins an orderly stop; the next ones do not cut it short."""
    task = asyncio.ensure_future(work)
    asked = threading.Event()

    def stop() -> None:
        if not asked.is_set():
            asked.set()
            task.cancel()

    loop = asyncio.get_running_loop()
    for number in STOPS:
        loop.add_signal_handler(number, stop)
    try:
        return await task
    except asyncio.CancelledError:
        if not asked.is_set():
            raise
        return when_stopped


async def _stay_up(home: Path, port: int, output: Output) -> int:
    async with running(StackSettings(home=home, port=port), on_step=output.notice) as stack:
        if output.as_json:
            output.data_line({"address": stack.address, "home": str(home)})
        else:
            _show_address(stack, home, output)
            output.line("Ctrl-C stops it; everything is kept.")
        try:
            await stack.wait_closed()
        finally:
            output.notice("Stopping.")
    return exit_codes.FAULT


async def _show_demo(home: Path, port: int, output: Output, stay: bool) -> int:
    async with running(StackSettings(home=home, port=port), on_step=output.notice) as stack:
        output.line(f"[bold]Stack[/]    runs at {stack.address}, keeps everything in {home}")
        code = await _demonstrate(home, output)
        if code or not stay:
            _where_logs_lie(home, output) if code else None
            return code
        output.line()
        _show_address(stack, home, output)
        output.line("The platform stays up until Ctrl-C.")
        try:
            await stack.wait_closed()
        except asyncio.CancelledError:
            # Ctrl-C after the demo is how it is meant to end.
            output.notice("Stopping.")
    return exit_codes.OK


async def _demonstrate(home: Path, output: Output) -> int:
    """On a thread: the stack that answers lives in this one."""
    stopped = threading.Event()

    def sleep(seconds: float) -> None:
        if stopped.wait(seconds):
            raise _Stopped

    def go() -> int:
        connection = find_connection({"EVENTRAIN_HOME": str(home)})
        with (
            tempfile.TemporaryDirectory(dir=home) as scratch,
            Client(connection.address, connection.token, sleep=sleep) as client,
        ):
            return run_demo(Demo(client, output, write_digits, Path(scratch), sleep))

    try:
        return await asyncio.to_thread(go)
    except EventrainError as error:
        error.advice = f"{error.advice} The logs lie in {home / 'logs'}.".strip()
        raise
    finally:
        stopped.set()


def _where_logs_lie(home: Path, output: Output) -> None:
    output.notice(f"The logs lie in {home / 'logs'}.")


def _show_address(stack: Stack, home: Path, output: Output) -> None:
    prefix = "" if home == Path.home() / ".eventrain" else f"EVENTRAIN_HOME={home} "
    output.line(f"Eventrain answers at [bold]{stack.address}[/]; its home is {home}.")
    output.line("In another terminal:")
    for command in ("list", "models", "submit -f job.yaml --follow", "show ID", "logs ID"):
        output.line(f"  {prefix}eventrain {command}")
