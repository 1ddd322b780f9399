"""Makes a framework's environment, whole or not at all.

It is made in a draft's folder and renamed when all in it imports: a kill leaves a draft, which the
next try removes. Whoever holds the lock makes it, in this clone; the lock is uv's too, so that a uv
that outlives us is waited for.
"""

import contextlib
import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator, Sequence

from infra.local.environments import sources
from infra.local.environments.recipe import MADE, Recipe

Say = Callable[[str], None]

DOWNLOADING = re.compile(r"Downloading (\S+) \((.+)\)")
COUNTED = re.compile(r"(Resolved|Prepared) (\d+) packages?")
STEPS = {
    "Resolved": "fetching {}",
    "Prepared": "installing {}",
}


class BuildFailed(Exception):
    """A sentence that says why, for whoever has to do something about it."""


def build(recipe: Recipe, say: Say) -> None:
    """Raises BuildFailed. One that is there and right is left alone."""
    recipe.folder.parent.mkdir(exist_ok=True)
    with _alone(recipe, say) as lock:
        if recipe.is_made:
            return
        try:
            _make(recipe, say, lock)
        except OSError as problem:
            raise BuildFailed(f"{problem.strerror or problem}: {problem.filename}") from problem
        finally:
            shutil.rmtree(recipe.draft, ignore_errors=True)


def _make(recipe: Recipe, say: Say, lock: int) -> None:
    say("making its folder")
    shutil.rmtree(recipe.draft, ignore_errors=True)
    recipe.log.write_text("")
    digest = recipe.digest
    uv = Uv(recipe, say, lock)
    uv.run("venv", "--relocatable", "--python", sys.executable, str(recipe.draft))
    say("finding its packages")
    uv.install()
    say(f"trying to import {', '.join(recipe.imports)}")
    _import(recipe)
    (recipe.draft / MADE).write_text(digest + "\n")
    _put_in_place(recipe)


class Uv:
    """uv as this clone has it, its output in the environment's log."""

    def __init__(self, recipe: Recipe, say: Say, lock: int) -> None:
        tools = recipe.clone / ".tools" / "bin"
        self._recipe = recipe
        self._say = say
        self._lock = lock
        self._program = tools / "uv"
        if not self._program.exists():
            raise BuildFailed(f"{self._program} is missing: run `make setup` in {recipe.clone}")
        self._told = sources.ask_pip([str(tools / "python"), "-m", "pip"])

    def install(self) -> None:
        recipe = self._recipe
        self.run(
            *("pip", "install", "--python", str(recipe.draft / "bin" / "python")),
            *("--editable", f"{recipe.clone / 'trainer'}[{recipe.name}]"),
            *("--requirements", str(recipe.lock)),
            *sources.uv_options(self._told),
        )

    def run(self, *arguments: str) -> None:
        """Says each step that uv tells of. Raises BuildFailed."""
        lines: list[str] = []
        with (
            self._recipe.log.open("a") as log,
            subprocess.Popen(
                [str(self._program), *arguments],
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                pass_fds=(self._lock,),
            ) as process,
        ):
            for line in process.stdout or ():
                log.write(line)
                log.flush()
                lines.append(line.strip())
                if step := step_in(line):
                    self._say(step)
        if process.returncode:
            raise BuildFailed(f"{reason_in(lines)} (see {self._recipe.log})")

    def _environment(self) -> dict[str, str]:
        ours = {
            "UV_CACHE_DIR": str(self._recipe.clone / ".cache" / "uv"),
            "UV_SYSTEM_CERTS": "1",
        }
        fixed = {"UV_NO_PROGRESS": "1", "UV_PYTHON_DOWNLOADS": "never", "NO_COLOR": "1"}
        # Minutes for a framework of which a job imports a fifth: the try below compiles that.
        fixed["UV_COMPILE_BYTECODE"] = "0"
        return ours | sources.uv_environment(self._told) | dict(os.environ) | fixed


def step_in(line: str) -> str | None:
    """What uv is doing now, in words, where a line of its output says so."""
    if found := DOWNLOADING.search(line):
        size = found[2].replace("MiB", " MB").replace("GiB", " GB").replace("KiB", " kB")
        return f"downloading {found[1]} ({size})"
    if found := COUNTED.search(line):
        packages = "1 package" if found[2] == "1" else f"{found[2]} packages"
        return STEPS[found[1]].format(packages)
    return None


def reason_in(lines: Sequence[str]) -> str:
    """Why uv gave up: from where it says so to its end, on one line."""
    begins = [n for n, line in enumerate(lines) if line.startswith(("error:", "×"))]
    told = lines[begins[0] :] if begins else lines[-3:]
    text = " ".join(re.sub(r"^(error:|×|[├╰]─▶|│|hint:)\s*", "", line) for line in told)
    return " ".join(text.split())[:600] or "uv failed and did not say why"


def _import(recipe: Recipe) -> None:
    """With a home of its own, which goes with it: some packages write there when imported."""
    program = "; ".join(f"import {name}" for name in recipe.imports)
    environ = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
    with tempfile.TemporaryDirectory(prefix="eventrain-") as home:
        tried = subprocess.run(
            [str(recipe.draft / "bin" / "python"), "-c", program],
            env=environ | {"HOME": home},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    if tried.returncode:
        with recipe.log.open("a") as log:
            log.write(tried.stderr)
        last = (tried.stderr.strip().splitlines() or ["it ended without a word"])[-1]
        raise BuildFailed(f"what was installed cannot be imported: {last}")


def _put_in_place(recipe: Recipe) -> None:
    """What runs from the old one runs on with what it has opened."""
    old = recipe.folder.with_name(f".{recipe.folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    with contextlib.suppress(FileNotFoundError):
        recipe.folder.rename(old)
    recipe.draft.rename(recipe.folder)
    shutil.rmtree(old, ignore_errors=True)


@contextlib.contextmanager
def _alone(recipe: Recipe, say: Say) -> Generator[int]:
    file = os.open(recipe.guard, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another program that makes it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield file
    finally:
        os.close(file)
