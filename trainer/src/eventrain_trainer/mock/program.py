"""A trainer as a program: what lies at a path, and how it is started against a mock."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PACKAGE = "eventrain_trainer.frameworks"
MANIFEST = "manifest.yaml"


class NotATrainer(Exception):
    """There is nothing at this path that could be started."""


@dataclass(frozen=True, slots=True)
class Trainer:
    """`module` for a framework of this package, else `script`; `folder` holds the manifest if it
    has one. Alone it is started without the runner, as a process that speaks for itself."""

    name: str
    script: Path
    module: str = ""
    folder: Path | None = None
    python: str = sys.executable
    alone: bool = False

    @classmethod
    def find(cls, path: Path, *, python: str = "", alone: bool = False) -> "Trainer":
        """The framework or the script at this path. Raises NotATrainer."""
        at = path.resolve()
        script = at / "__main__.py" if at.is_dir() else at
        if not script.is_file():
            reason = "has no __main__.py" if at.is_dir() else "is not there"
            raise NotATrainer(f"{path} {reason}: name a framework's folder, or a program")
        if script.suffix != ".py" and not os.access(script, os.X_OK):
            raise NotATrainer(f"{path} is neither a Python file nor executable")
        folder = at if (at / MANIFEST).is_file() else None
        ours = folder is not None and at.parent == Path(__file__).parents[1] / "frameworks"
        name = at.name if at.is_dir() else at.stem
        module = f"{PACKAGE}.{name}" if ours else ""
        return cls(name, script, module, folder, python or _python_for(at, name), alone)

    @property
    def command(self) -> list[str]:
        """As the pod would run it."""
        runner = [self.python, "-m", "eventrain_trainer", "run", "--"]
        if self.module:
            return [self.python, "-m", self.module] if self.alone else runner[:-1]
        python = [self.python] if self.script.suffix == ".py" else []
        return [*python, str(self.script)] if self.alone else [*runner, str(self.script)]

    def start(self, environ: Mapping[str, str], folder: Path) -> "Attempt":
        """With exactly this environment; what it prints goes to a file in the folder."""
        given = dict(environ)
        if self.module and not self.alone:
            given["TRAINER_FRAMEWORK"] = self.name
        return Attempt(self.command, given, folder)


class Attempt:
    """One process of a trainer, and whatever it starts."""

    def __init__(self, command: list[str], environ: Mapping[str, str], folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._log = folder / f"attempt-{environ.get('ATTEMPT', '1')}.log"
        Path(environ.get("WORK_DIR") or folder).mkdir(parents=True, exist_ok=True)
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                env=dict(environ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        """What it has printed so far."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None

    def wait(self, seconds: float = 120.0) -> int:
        """Its exit code. Raises subprocess.TimeoutExpired."""
        return self.process.wait(seconds)

    def terminate(self) -> None:
        """As Kubernetes asks a pod to end."""
        self.process.terminate()

    def kill(self) -> None:
        """At once and with all that it started, as a node that is lost."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def _python_for(path: Path, name: str) -> str:
    """The framework's own environment where a clone around here has one; else this one's."""
    for above in path.parents:
        found = above / ".venvs" / f"trainer-{name}" / "bin" / "python"
        if found.exists():
            return str(found)
    return sys.executable
