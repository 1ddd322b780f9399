"""That the tests of the release before meet the old code and the new schema."""

import subprocess
from pathlib import Path

import pytest

from tests import previous
from tests.previous import NothingToProve

PYPROJECT = '[tool.pytest.ini_options]\npythonpath = ["."]\naddopts = ["--import-mode=importlib"]\n'
OLD_TEST = """
import subprocess, sys
from common.code import RELEASE

def test_migrates_as_the_new_release_and_runs_as_the_old():
    ran = subprocess.run([sys.executable, "-m", "common.migrate"], capture_output=True, text=True)
    assert (RELEASE, ran.stdout.strip()) == ("old", {migrated!r})
"""


class Clone:
    """A repository with two releases, the second of which has a revision more."""

    def __init__(self, folder: Path, *, migrated: str) -> None:
        self.folder = folder
        folder.mkdir()
        self._git("init", "-q")
        self._write("pyproject.toml", PYPROJECT)
        self._write("tests/integration/functions/test_old.py", OLD_TEST.format(migrated=migrated))
        self._release("old", "0001")
        self._write(str(previous.NAMED), f"{self._git('rev-parse', 'HEAD')} 0.1.0\n")
        self._release("new", "0001")

    def add_revision(self) -> None:
        self._write(f"{previous.VERSIONS}/0002_more.py", "")

    def name(self, commit: str) -> None:
        self._write(str(previous.NAMED), f"{commit} 0.1.0\n")

    def _release(self, name: str, revision: str) -> None:
        self._write("common/__init__.py", "")
        self._write("common/code.py", f"RELEASE = {name!r}\n")
        self._write("common/migrate.py", f"print({name!r})\n")
        self._write(f"{previous.VERSIONS}/{revision}_first.py", "")
        self._git("add", ".")
        who = ("-c", "user.name=a", "-c", "user.email=a@example.com")
        self._git(*who, "commit", "-q", "-m", name)

    def _write(self, path: str, text: str) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")

    def _git(self, *arguments: str) -> str:
        command = ["git", "-C", str(self.folder), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def run_there(clone: Clone, scratch: Path) -> int:
    commit, version = previous.previous_release(clone.folder)
    assert version == "0.1.0"
    previous.unpack(clone.folder, commit, scratch)
    return previous.run(scratch, ["tests/integration/functions", "-o", "addopts="])


@pytest.mark.parametrize(("migrated", "code"), [("new", 0), ("old", 1)])
def test_the_old_tests_run_on_the_new_schema(
    migrated: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    clone = Clone(tmp_path / "clone", migrated=migrated)
    clone.add_revision()
    (tmp_path / "scratch").mkdir()
    assert run_there(clone, tmp_path / "scratch") == code


def test_nothing_is_proved_where_the_schema_is_the_same(tmp_path: Path) -> None:
    clone = Clone(tmp_path / "clone", migrated="new")
    with pytest.raises(NothingToProve, match="still that of"):
        previous.previous_release(clone.folder)


def test_it_is_said_where_a_clone_is_too_shallow_to_hold_the_release(tmp_path: Path) -> None:
    clone = Clone(tmp_path / "clone", migrated="new")
    clone.add_revision()
    clone.name("0" * 39 + "1")
    with pytest.raises(NothingToProve, match="not in this clone"):
        previous.previous_release(clone.folder)
