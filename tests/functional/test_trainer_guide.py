"""docs/trainer-guide.md, followed word by word in a clone of its own: what it prints must be printed."""

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.postgres_server import CLONE

GUIDE = CLONE / "docs" / "trainer-guide.md"
BLOCK = re.compile(r"^```(sh|text)( another-terminal)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SET_UP = (".venv", ".tools")
SKLEARN = Path(".venvs", "trainer-sklearn")
STEP_SECONDS = 400


class Step(NamedTuple):
    """Commands, and the lines that the guide says they print."""

    commands: str
    beside: bool
    printed: list[str]


def steps() -> list[Step]:
    found: list[Step] = []
    for kind, beside, content in BLOCK.findall(GUIDE.read_text(encoding="utf-8")):
        if kind == "sh":
            found.append(Step(content, bool(beside), []))
        else:
            found[-1].printed.extend(content.splitlines())
    return found


def pattern(line: str) -> re.Pattern[str]:
    """The line with any number for each of its numbers, and anything for its spaces and …"""
    told = [re.escape(word) for word in line.split() if word != "…"]
    words = [re.sub(r"\d+(\\\.\d+)?", r"[\\d.]+", word) for word in told]
    return re.compile(r".*?\s+.*?".join(words))


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What git knows of this one, or would. What set-up makes is shared, and newer than all that it
    is made of, so that set-up leaves it alone."""
    asked = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(asked, cwd=CLONE, check=True, capture_output=True, text=True).stdout
    target = tmp_path / "eventrain"
    for name in listed.split("\0"):
        source = CLONE / name
        if name and source.is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target / name)
            os.utime(target / name, (0, 0))
    for name in SET_UP:
        (target / name).symlink_to(CLONE / name)
    _lend_sklearn(target)
    return target


def _lend_sklearn(clone: Path) -> None:
    """The environment of this clone's scikit-learn, but with that clone's trainer in it."""
    ours, theirs = CLONE / SKLEARN, clone / SKLEARN
    python = ours / "bin" / "python"
    subprocess.run([python, "-m", "venv", "--without-pip", theirs], check=True)
    (site,) = theirs.glob("lib/python*/site-packages")
    (lent,) = ours.glob("lib/python*/site-packages")
    paths = [str(clone / "trainer" / "src"), f"import site; site.addsitedir({str(lent)!r})"]
    (site / "lent.pth").write_text("\n".join(paths) + "\n")
    shutil.copyfile(ours / ".made", theirs / ".made")


class Terminals:
    """Shells in the clone of somebody whose home is empty."""

    def __init__(self, clone: Path, home: Path) -> None:
        home.mkdir()
        self._clone = clone
        self._home = home
        self._beside: subprocess.Popen[bytes] | None = None
        self._environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "TMPDIR": str(home),
            "LANG": "C.UTF-8",
            # The port of the stack: any that is free.
            "ARGS": "--port 0",
            "PYTHONPATH": f"{clone}:{clone / 'trainer' / 'src'}",
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def run(self, commands: str) -> str:
        """What the commands print; the test fails where one of them does."""
        done = subprocess.run(
            ["bash", "-eu", "-c", commands],
            cwd=self._clone,
            env=self._environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=STEP_SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"{commands}\n{done.stdout}"
        return done.stdout

    def begin(self, commands: str) -> None:
        """In another terminal, until the stack is there; what ran in it before ends by Ctrl-C."""
        self.end()
        client = self._home / ".eventrain" / "client.json"
        client.unlink(missing_ok=True)
        with (self._home / "beside.log").open("ab") as log:
            self._beside = subprocess.Popen(
                ["bash", "-c", f"exec {commands}"],
                cwd=self._clone,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + STEP_SECONDS
        while not client.exists():
            assert self._beside.poll() is None, (self._home / "beside.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.1)

    def end(self) -> None:
        if self._beside is None or self._beside.poll() is not None:
            return
        os.killpg(self._beside.pid, signal.SIGINT)
        try:
            self._beside.wait(60)
        finally:
            if self._beside.poll() is None:
                os.killpg(self._beside.pid, signal.SIGKILL)
                self._beside.wait()


@pytest.fixture
def terminals(clone: Path, tmp_path: Path) -> Iterator[Terminals]:
    opened = Terminals(clone, tmp_path / "home")
    yield opened
    opened.end()


@pytest.mark.timeout(1500)
class TestTheGuide:
    def test_gives_a_working_framework_when_it_is_followed_word_by_word(
        self, clone: Path, terminals: Terminals
    ) -> None:
        for step in steps():
            if step.beside:
                terminals.begin(step.commands)
                continue
            said = terminals.run(step.commands)
            missing = [line for line in step.printed if not pattern(line).search(said)]
            assert not missing, f"{step.commands}\nprinted no {missing}:\n{said}"
        assert (clone / "trainer/src/eventrain_trainer/frameworks/bowls/manifest.yaml").is_file()
