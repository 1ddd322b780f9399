"""The user's own code, from where the job says it is to a program that can be run."""

import os
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from eventrain_trainer import checkout, requirements
from eventrain_trainer.addresses import TransferError
from eventrain_trainer.archive import BadArchive, unpack
from eventrain_trainer.child import Watch
from eventrain_trainer.download import DigestError
from eventrain_trainer.preparation import CannotPrepare
from eventrain_trainer.session import Session
from eventrain_trainer.settings import Code, Settings

OUTPUT = "OUTPUT_DIR"
SHA256 = re.compile(r"^(sha256:)?[0-9a-f]{64}$")
MOST_FILES = 1_000


@dataclass(frozen=True, slots=True)
class Program:
    argv: list[str]
    environ: dict[str, str]
    cwd: Path


def prepare(
    code: Code, settings: Settings, environ: Mapping[str, str], session: Session, watch: Watch
) -> Program:
    """Fetched, checked, unpacked, and with what it requires. Raises CannotPrepare."""
    work = settings.work_dir.resolve()
    folder = _fetch(code, work / "code", environ, session, watch)
    script = _script(folder, settings.config.entrypoint)
    found = {**environ, "PYTHONPATH": _before(str(folder), environ.get("PYTHONPATH", ""))}
    found[OUTPUT] = str(output_of(settings))
    python = Path(sys.executable)
    if requirements.asked(folder):
        venv = work / "venv"
        python = requirements.install(folder, venv, environ, watch)
        found = requirements.activated(venv, found)
    runner = [str(python)] if script.suffix == ".py" else []
    return Program([*runner, str(script), *settings.config.args], found, folder)


def output_of(settings: Settings) -> Path:
    """The folder whose files become artifacts when the program ends, however it does."""
    folder = settings.work_dir.resolve() / "output"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def keep_output(folder: Path, session: Session) -> None:
    """Hands in what the program left there; links are not followed."""
    found = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    for path in found[:MOST_FILES]:
        session.artifact(path, path.relative_to(folder).as_posix())
    if len(found) > MOST_FILES:
        session.warn(f"only {MOST_FILES} of {len(found)} files of {OUTPUT} were kept: pack them")


def _fetch(
    code: Code, target: Path, environ: Mapping[str, str], session: Session, watch: Watch
) -> Path:
    shutil.rmtree(target, ignore_errors=True)
    if not code.uri.startswith("s3://"):
        return checkout.check_out(checkout.parse(code.uri, code.digest), target, environ, watch)
    if not SHA256.search(code.digest):
        raise CannotPrepare("the source has no sha256, so that nothing vouches for it")
    try:
        unpack(watch.wait_for(lambda: session.fetch_code(code)), target)
    except DigestError as error:
        raise CannotPrepare(f"the source was refused: {error}") from error
    except TransferError as error:
        raise CannotPrepare(f"the source could not be fetched: {error}", "transient") from error
    except BadArchive as error:
        raise CannotPrepare(f"the source was refused: {error}") from error
    return target


def _script(folder: Path, entrypoint: str) -> Path:
    script = folder / entrypoint
    if not script.resolve().is_relative_to(folder.resolve()):
        raise CannotPrepare(f"the entrypoint {entrypoint} lies outside the source")
    if not entrypoint or not script.is_file():
        raise CannotPrepare(f"the source has no file {entrypoint}, which is to be run")
    if script.suffix != ".py" and not os.access(script, os.X_OK):
        raise CannotPrepare(f"{entrypoint} is neither a Python file nor executable")
    return script


def _before(first: str, rest: str) -> str:
    return f"{first}:{rest}" if rest else first
