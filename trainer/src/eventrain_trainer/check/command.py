"""`python -m eventrain_trainer check PATH`: holds a trainer against what every trainer must do.

The trainer is started several times against a mock of the control plane and disturbed. Exit code 0
when all that was asked is met, 1 when something is not, 2 when there is nothing to start.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from eventrain_trainer.check import manifest
from eventrain_trainer.check.row import DEMANDS, Broken, NotSeen, Row
from eventrain_trainer.check.scenes import Scenes
from eventrain_trainer.check.stage import Stage, lengthened
from eventrain_trainer.mock import NotATrainer, Trainer

USAGE = 2
WORDS = {"pass": "pass", "fail": "FAIL", "skip": "skip"}
COLOURS = {"pass": "32", "fail": "31;1", "skip": "33"}
SHORT = {"epochs": 4}
SMALL = "check.yaml"


def main(argv: Sequence[str]) -> int:
    asked = _parser().parse_args(argv)
    try:
        trainer = Trainer.find(asked.path, python=asked.python or "", alone=asked.alone)
        wanted = _wanted(asked.only)
        with _folder(asked.keep) as folder:
            return _check(asked, _stage(asked, trainer, folder), wanted)
    except (NotATrainer, ValueError, OSError) as error:
        sys.stderr.write(f"eventrain: {error}\n")
        return USAGE


def _check(asked: argparse.Namespace, stage: Stage, wanted: Sequence[str]) -> int:
    began, rows = time.monotonic(), list[Row]()
    trainer = stage.trainer
    how = "alone" if trainer.alone else "behind the runner"
    if not asked.json:
        _say(f"{trainer.name}, {how}, with {trainer.python}")
    for row in Scenes(stage).rows(wanted):
        rows.append(row)
        if not asked.json:
            _say(_line(row, colours=sys.stdout.isatty()))
    seconds = time.monotonic() - began
    failed = sum(row.verdict == "fail" for row in rows)
    if asked.json:
        told = [row.as_dict() for row in rows]
        said = {"trainer": trainer.name, "how": how, "passed": not failed, "rows": told}
        _say(json.dumps(said | {"seconds": round(seconds, 1)}, indent=2))
    else:
        _say(_summary(rows, seconds, asked.keep))
    return 1 if failed else 0


def _line(row: Row, *, colours: bool) -> str:
    word = WORDS[row.verdict]
    shown = f"\x1b[{COLOURS[row.verdict]}m{word}\x1b[0m" if colours else word
    lines = [f"  {shown}  {row.name:<12} {row.demand.title}"]
    indent = " " * 8
    if row.reason:
        lines.append(f"{indent}{'':<13}{row.reason}")
    if row.verdict == "fail":
        lines.append(f"{indent}{'':<13}→ {row.demand.advice}")
    return "\n".join(lines)


def _summary(rows: Sequence[Row], seconds: float, kept: Path | None) -> str:
    counted = {verdict: sum(row.verdict == verdict for row in rows) for verdict in WORDS}
    said = f"{counted['pass']} passed, {counted['fail']} failed"
    if counted["skip"]:
        said += f", {counted['skip']} could not be put to it"
    where = f" What it printed lies in {kept}." if kept else ""
    hint = " --keep FOLDER keeps what it printed." if counted["fail"] and not kept else ""
    return f"{said}, in {seconds:.0f} s.{where}{hint}"


def _stage(asked: argparse.Namespace, trainer: Trainer, folder: Path) -> Stage:
    small = _small(asked.small or (trainer.folder / SMALL if trainer.folder else None))
    try:
        known = manifest.properties(manifest.read(trainer.folder))
    except (Broken, NotSeen):
        known = {}
    often = {"checkpoint_every": 1} if "checkpoint_every" in known else {}
    given = SHORT | often | (small.get("hyperparameters") or {}) | _pairs(asked.set)
    return Stage(
        trainer=trainer,
        folder=folder,
        hyperparameters=given,
        endless=lengthened(known) | _pairs(asked.endless),
        environ={name: str(value) for name, value in (small.get("environ") or {}).items()},
        dataset=asked.dataset,
        patience=asked.patience,
        grace=asked.grace,
    )


def _small(file: Path | None) -> dict[str, Any]:
    """What makes a training small, where somebody wrote it down."""
    if file is None or not file.is_file():
        return {}
    try:
        import yaml
    except ImportError:
        raise ValueError(f"{file} needs PyYAML: install eventrain-trainer[check]") from None
    found: Any = yaml.safe_load(file.read_text(encoding="utf-8"))
    return found if isinstance(found, dict) else {}


def _wanted(only: Sequence[str]) -> list[str]:
    names = [name for given in only for name in given.split(",") if name]
    if unknown := [name for name in names if name not in DEMANDS]:
        raise ValueError(f"{', '.join(unknown)}: the rows are {', '.join(DEMANDS)}")
    return names or list(DEMANDS)


@contextmanager
def _folder(keep: Path | None) -> Generator[Path]:
    if keep:
        yield keep
        return
    with tempfile.TemporaryDirectory(prefix="eventrain-check-", ignore_cleanup_errors=True) as made:
        yield Path(made)


def _pairs(given: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals:
            raise ValueError(f"{text!r} is not NAME=VALUE")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="eventrain trainer check",
        description="Holds a trainer against what every trainer must do, and says of each demand"
        " whether it is met, what was seen, and what helps.",
        epilog="The rows: " + ", ".join(DEMANDS),
    )
    add = parser.add_argument
    add("path", type=Path, metavar="PATH", help="a framework's folder, or a program")
    add("--alone", action="store_true", help="start it without the runner: it speaks for itself")
    add("--python", help="the interpreter; .venvs/trainer-NAME of a clone around it by default")
    add("--set", action="append", default=[], metavar="NAME=VALUE", help="a hyperparameter")
    add(
        "--endless",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a hyperparameter that makes a training long enough to be disturbed",
    )
    add(
        "--small",
        type=Path,
        metavar="FILE",
        help="YAML with the hyperparameters and environ of a small training; PATH/check.yaml by"
        " default",
    )
    add("--dataset", type=Path, help="a file or folder to learn from")
    add("--only", action="append", default=[], metavar="ROW", help="only this row; repeatable")
    add("--patience", type=float, default=120.0, help="seconds to wait for anything")
    add("--grace", type=float, default=30.0, help="the pod's grace, in seconds")
    add("--keep", type=Path, metavar="FOLDER", help="where to keep what it printed and stored")
    add("--json", action="store_true", help="the table as JSON")
    return parser
