"""The environment of a framework, made by the real uv in a clone that has one small framework."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from infra.local.cluster import Image, Pull
from infra.local.environments.recipe import MADE, Recipe, known, name_in
from infra.local.environments.shelf import FIRST_PAUSE, Shelf
from tests.integration.infra.cluster.serving import until
from tests.postgres_server import CLONE
from tests.wheel import make_wheel

PROJECT = """\
[project]
name = "eventrain-trainer"
version = "1.0"
dependencies = []
[project.optional-dependencies]
small = ["addition==1.0"]
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""
BACKEND = """\
import zipfile
INFO = "eventrain_trainer-1.0.dist-info"
METADATA = '''Metadata-Version: 2.1
Name: eventrain-trainer
Version: 1.0
Provides-Extra: small
Requires-Dist: addition==1.0; extra == "small"
'''
def build_editable(folder, config_settings=None, metadata_directory=None):
    name = "eventrain_trainer-1.0-py3-none-any.whl"
    wheel = "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
    files = {"eventrain_trainer.py": "", f"{INFO}/METADATA": METADATA, f"{INFO}/WHEEL": wheel}
    files[f"{INFO}/RECORD"] = "".join(f"{each},,\\n" for each in [*files, f"{INFO}/RECORD"])
    with zipfile.ZipFile(f"{folder}/{name}", "w") as packed:
        for each, text in files.items():
            packed.writestr(each, text)
    return name
"""
# Imports when it may: so a test can look at what is half made.
HELD = """\
import os, pathlib, time
(pathlib.Path.home() / ".addition").touch()
while os.path.exists({hold!r}):
    time.sleep(0.02)
"""


class SmallClone:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.hold = folder / "hold"
        trainer = folder / "trainer"
        manifest = trainer / "src/eventrain_trainer/frameworks/small/manifest.yaml"
        manifest.parent.mkdir(parents=True)
        manifest.write_text("imports: [addition]\n")
        (trainer / "locks").mkdir()
        (trainer / "locks/small.txt").write_text("addition==1.0\n")
        (trainer / "pyproject.toml").write_text(PROJECT)
        (trainer / "backend.py").write_text(BACKEND)
        (folder / ".tools").symlink_to(CLONE / ".tools")
        make_wheel(folder / "wheels", "addition", HELD.format(hold=str(self.hold)))
        self.recipe = Recipe(folder, "small")
        self._started: list[subprocess.Popen[str]] = []

    def start(self) -> subprocess.Popen[str]:
        program = Path(__file__).with_name("small_build.py")
        wheels = {"PIP_FIND_LINKS": str(self.folder / "wheels"), "PIP_NO_INDEX": "1"}
        cache = {"UV_CACHE_DIR": str(self.folder / "cache"), "HOME": str(self.folder)}
        process = subprocess.Popen(
            [sys.executable, str(program), str(self.folder), "small"],
            cwd=CLONE,
            env={"PATH": os.defpath, "PYTHONPATH": str(CLONE)} | wheels | cache,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._started.append(process)
        return process

    def build(self) -> tuple[int, str]:
        process = self.start()
        said, _ = process.communicate(timeout=90)
        return process.returncode, said

    def kill(self) -> None:
        for process in self._started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


@pytest.fixture
def small(tmp_path: Path) -> Iterator[SmallClone]:
    clone = SmallClone(tmp_path / "clone")
    yield clone
    clone.kill()


def said(process: subprocess.Popen[str], words: str) -> str:
    """The first line that holds them."""
    assert process.stdout
    return next(line for line in process.stdout if words in line)


class TestBuild:
    def test_makes_an_environment_once_and_says_each_step(self, small: SmallClone) -> None:
        code, told = small.build()
        assert code == 0, told
        assert "trying to import eventrain_trainer, addition" in told
        assert small.recipe.is_made
        assert not (small.folder / ".addition").exists()
        program = [
            small.recipe.folder / "bin" / "python",
            "-c",
            "import addition, eventrain_trainer",
        ]
        subprocess.run(program, env={"HOME": str(small.folder)}, check=True)
        assert (small.folder / ".addition").exists()
        assert small.build() == (0, "")

    def test_makes_it_again_when_its_lock_changes(self, small: SmallClone) -> None:
        assert small.build()[0] == 0
        lock = small.recipe.lock
        lock.write_text("# another\n" + lock.read_text())
        assert not small.recipe.is_made
        assert small.build()[0] == 0
        assert small.recipe.is_made
        left = {path.name for path in small.recipe.folder.parent.iterdir()}
        assert left == {"trainer-small", "trainer-small.log", ".trainer-small.lock"}

    def test_a_kill_leaves_nothing_that_could_be_taken_for_one(self, small: SmallClone) -> None:
        small.hold.touch()
        process = small.start()
        said(process, "trying to import")
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert small.recipe.draft.is_dir()
        assert not small.recipe.folder.exists()
        small.hold.unlink()
        assert small.build()[0] == 0
        assert small.recipe.is_made
        assert not small.recipe.draft.exists()

    def test_two_at_once_make_it_once(self, small: SmallClone) -> None:
        small.hold.touch()
        first = small.start()
        said(first, "trying to import")
        second = small.start()
        said(second, "waiting for another program that makes it")
        small.hold.unlink()
        assert first.wait(90) == 0
        rest, _ = second.communicate(timeout=90)
        assert (second.returncode, rest) == (0, "")

    def test_says_which_package_is_not_to_be_had(self, small: SmallClone) -> None:
        (small.folder / "wheels/addition-1.0-py3-none-any.whl").unlink()
        code, told = small.build()
        assert code == 1
        assert "addition" in told.splitlines()[-1]
        assert str(small.recipe.log) in told
        assert not small.recipe.folder.exists()

    def test_says_what_cannot_be_imported(self, small: SmallClone) -> None:
        make_wheel(small.folder / "wheels", "addition", "import libGL_missing")
        code, told = small.build()
        assert code == 1
        assert "No module named 'libGL_missing'" in told.splitlines()[-1]
        assert not small.recipe.folder.exists()


class Fake:
    """A shelf whose builds are scripts, and whose time is told."""

    def __init__(self, small: SmallClone, script: str) -> None:
        self.now = 0.0
        self.told: list[str] = []
        self.begun = 0
        self._script = script
        self._target = small.recipe.folder
        self._digest = small.recipe.digest
        self.shelf = Shelf(
            small.folder, self.told.append, program=self._program, clock=lambda: self.now
        )

    def _program(self, recipe: Recipe) -> tuple[str, ...]:
        self.begun += 1
        return (sys.executable, "-c", self._script, str(self._target / MADE), self._digest)

    async def until(self, wanted: Callable[[Image | Pull | None], bool]) -> Image | Pull | None:
        async def look() -> list[Image | Pull | None] | None:
            found = self.shelf.find("eventrain/trainer-small:1")
            return [found] if wanted(found) else None

        return (await until(look, 60))[0]

    async def until_told(self, line: str) -> None:
        async def look() -> bool:
            return line in self.told

        await until(look, 60)


WHOLE = """\
import pathlib, sys
print("fetching 3 packages", flush=True)
made = pathlib.Path(sys.argv[1])
(made.parent / "bin").mkdir(parents=True)
made.write_text(sys.argv[2])
"""


class TestShelf:
    async def test_an_image_that_is_not_there_is_built_while_it_is_asked_for(
        self, small: SmallClone
    ) -> None:
        fake = Fake(small, WHOLE)
        first = fake.shelf.find("eventrain/trainer-small-cuda:1")
        assert first == Pull("building the environment of trainer-small: starting")
        found = await fake.until(lambda found: isinstance(found, Image))
        assert found == Image(bin=small.recipe.folder / "bin")
        assert fake.begun == 1
        # The file is there before the last line is read.
        await fake.until_told("Building the environment of trainer-small: fetching 3 packages")
        await fake.shelf.stop()

    async def test_a_failed_build_says_why_and_is_tried_again_later(
        self, small: SmallClone
    ) -> None:
        fake = Fake(small, "import sys; print('the disk is full'); sys.exit(1)")
        found = await fake.until(lambda found: isinstance(found, Pull) and found.failed)
        why = "the environment of trainer-small could not be built: the disk is full"
        assert found == Pull(why, failed=True)
        await fake.until(lambda found: found == Pull(why, failed=True))
        assert fake.begun == 1
        fake.now += FIRST_PAUSE + 1
        assert fake.shelf.find("trainer-small") == Pull(why, failed=True)
        assert fake.begun == 2
        await fake.shelf.stop()

    async def test_one_that_goes_on_for_long_after_a_failure_is_no_failure(
        self, small: SmallClone
    ) -> None:
        script = "import os, sys, time; print('at it'); sys.stdout.flush()\n"
        script += "time.sleep(600) if os.path.exists('again') else sys.exit(1)"
        fake = Fake(small, script)
        await fake.until(lambda found: isinstance(found, Pull) and found.failed)
        (small.folder / "again").touch()
        fake.now += FIRST_PAUSE
        fake.shelf.find("trainer-small")
        fake.now += 60
        await fake.until(
            lambda found: found == Pull("building the environment of trainer-small: at it")
        )
        await fake.shelf.stop()

    async def test_what_is_no_framework_is_found_only_where_somebody_made_it(
        self, small: SmallClone
    ) -> None:
        fake = Fake(small, WHOLE)
        assert fake.shelf.find("nobody/knows:1") is None
        assert fake.shelf.find("eventrain/trainer-mine:2") is None
        (small.folder / ".venvs/trainer-mine/bin").mkdir(parents=True)
        found = fake.shelf.find("eventrain/trainer-mine:2")
        assert found == Image(bin=small.folder / ".venvs/trainer-mine/bin")
        assert fake.begun == 0


class TestRecipe:
    def test_an_image_names_its_framework(self) -> None:
        assert name_in("registry.example.com/eventrain/trainer-pytorch-cuda@sha256:0") == "pytorch"
        assert name_in("eventrain/functions:1") is None

    @pytest.mark.parametrize("name", known(CLONE))
    def test_a_lock_leaves_torch_to_the_machine_and_pins_all_else(self, name: str) -> None:
        lock = Recipe(CLONE, name).lock.read_text()
        pins = [line for line in lock.splitlines() if line and line[0] not in " #"]
        names = {pin.partition("==")[0] for pin in pins}
        assert not names & {"torch", "torchvision", "triton", "eventrain-trainer"}
        assert not any(each.startswith("nvidia-c") for each in names)
        assert all("==" in pin for pin in pins)
        assert lock.count("--hash=sha256:") >= len(pins)
        assert "opencv-python" not in names
