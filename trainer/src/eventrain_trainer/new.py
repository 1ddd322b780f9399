"""`python -m eventrain_trainer new NAME`: the folder of a framework that works at once.

It is the template beside this module, under another name. Nothing that is there is written over.
"""

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from eventrain_trainer.runner import FRAMEWORK

TEMPLATE = Path(__file__).parent / "template"
WORD = "mytrainer"
USAGE = 2


class CannotMake(Exception):
    """There can be no such folder."""


def main(argv: Sequence[str]) -> int:
    asked = _parser().parse_args(argv)
    try:
        folder = make(asked.name, asked.dir)
    except (CannotMake, OSError) as error:
        sys.stderr.write(f"eventrain: {error}\n")
        return USAGE
    files = sorted(path.name for path in folder.iterdir())
    sys.stdout.write(f"Made {folder}: {', '.join(files)}.\n")
    sys.stdout.write(f"Try it: {_python()} {folder}\n")
    return 0


def _python() -> str:
    """As one would type it here."""
    here, python = Path.cwd(), Path(sys.executable)
    return str(python.relative_to(here) if python.is_relative_to(here) else python)


def make(name: str, parent: Path) -> Path:
    """Raises CannotMake for a name that no module can have, or a folder that is there."""
    if not FRAMEWORK.match(name):
        raise CannotMake(f"{name!r} is no name: lower-case letters, digits and _, a letter first")
    folder = parent / name
    if folder.exists():
        raise CannotMake(f"{folder} is there already; nothing was changed")
    parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(TEMPLATE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    for path in sorted(folder.iterdir()):
        text = path.read_text(encoding="utf-8")
        path.write_text(text.replace(WORD, name), encoding="utf-8")
        path.rename(path.with_name(path.name.replace(WORD, name)))
    return folder


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="eventrain trainer new",
        description="Makes the folder of a framework that works at once: a program with"
        " checkpoints and resume, its manifest, README, requirements and test.",
    )
    parser.add_argument("name", metavar="NAME", help="lower-case letters, digits and _")
    parser.add_argument("--dir", type=Path, default=Path(), help="where to put it; here by default")
    return parser
