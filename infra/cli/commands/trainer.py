"""trainer check, trainer new, mock: the trainer package's own commands, started as its authors would.

They need nothing of the control plane and it nothing of them: each is a process of the interpreter
that this command runs in, `python -m eventrain_trainer ...`.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import click

from infra.cli.errors import CommandFault

PACKAGE = "eventrain_trainer"


class AsGiven(click.Command):
    """Reads nothing of its command line: the other command does, and says so with --help."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.params["rest"] = tuple(args)
        return []


@click.group()
def trainer() -> None:
    """For those who write trainers: make one, and have it checked."""


@trainer.command(cls=AsGiven)
def new(rest: Sequence[str]) -> None:
    """Make the folder of a framework that works at once."""
    raise SystemExit(_run("new", *rest))


@trainer.command(cls=AsGiven)
def check(rest: Sequence[str]) -> None:
    """Hold a trainer against what every trainer must do."""
    raise SystemExit(_run("check", *rest, *_small(rest)))


@click.command(cls=AsGiven)
def mock(rest: Sequence[str]) -> None:
    """Run a control plane to try a trainer with; it misbehaves when told to."""
    raise SystemExit(_run("mock", *rest))


def _run(*command: str) -> int:
    if find_spec(PACKAGE) is None:
        raise CommandFault(
            "The trainer package is not installed beside this command.",
            advice="In a clone: make setup. Elsewhere: pip install 'eventrain-trainer[check]'.",
        )
    process = subprocess.Popen([sys.executable, "-m", PACKAGE, *command])
    while True:
        try:
            code = process.wait()
        except KeyboardInterrupt:
            continue
        return code if code >= 0 else 128 - code


def _small(given: Sequence[str]) -> list[str]:
    """For a framework of this clone: the small training that its tests are made of."""
    if "--small" in given:
        return []
    from infra.local.settings import CLONE

    folders = [CLONE / "tests" / "frameworks" / Path(word).name for word in given]
    found = next((folder / "small.yaml" for folder in folders if folder.name), None)
    return ["--small", str(found)] if found and found.is_file() else []
