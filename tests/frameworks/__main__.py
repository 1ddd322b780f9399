"""`python -m tests.frameworks [NAME...]`: every framework trains, for real, on this machine.

Its environment is built as its first job would build it, a small job runs three times through the
real runner, against the tests' control plane and a real S3, `eventrain trainer check` holds it against
what every trainer must do, and its own tests run. A framework whose
environment cannot be built here is told with the reason; it is a failure where it was named, and
always for the default one.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from infra.local.environments.build import BuildFailed, build
from infra.local.environments.recipe import Recipe, known
from tests.frameworks.small import HERE, Course, Small
from tests.integration.trainer.bucket import Bucket, S3Server
from tests.postgres_server import CLONE

SEEDS = (0, 1, 2)
DEFAULT = "sklearn"
FRAMEWORKS = CLONE / "trainer" / "src" / "eventrain_trainer" / "frameworks"


@dataclass
class Result:
    name: str
    environment: str = ""
    absent: bool = False
    courses: list[Course] = field(default_factory=list[Course])
    check: str = ""
    tests: str = ""
    seconds: float = 0.0

    @property
    def verdict(self) -> str:
        if self.absent:
            return "not here"
        fine = all(course.learns for course in self.courses)
        # An environment that no framework of ours lives in has only its tests to speak for it.
        fine = fine and (self.courses or self.tests == "passed")
        failed = "FAILED" in (self.check, self.tests)
        return "trains" if fine and not failed else "FAILED"


def main(arguments: Sequence[str]) -> int:
    """0 when every framework that can run here learns and passes its tests."""
    parser = argparse.ArgumentParser(prog="python -m tests.frameworks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(known(CLONE))}")
    named = parser.parse_args(arguments).names
    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="eventrain-frameworks-") as scratch:
        server = S3Server.start(Path(scratch) / "s3")
        try:
            for name in named or sorted(known(CLONE), key=lambda name: (name != DEFAULT, name)):
                results.append(_try(name, server.bucket, Path(scratch)))
        finally:
            server.stop()
    print("\n" + "\n".join(_table(results)))
    needed = {DEFAULT, *named}
    bad = [each for each in results if each.verdict == "FAILED" or _lacks(each, needed)]
    return 1 if bad else 0


def _lacks(result: Result, needed: set[str]) -> bool:
    return result.absent and result.name in needed


def _try(name: str, bucket: Bucket, scratch: Path) -> Result:
    began = time.monotonic()
    print(f"\n== {name}", flush=True)
    result = Result(name)
    _build(Recipe(CLONE, name), result)
    if not result.absent:
        if (FRAMEWORKS / name).is_dir():
            _train(result, bucket, scratch)
            _check(result, scratch)
        _test(result)
    result.seconds = time.monotonic() - began
    print(f"== {name}: {result.verdict}, {result.seconds:.0f} s", flush=True)
    return result


def _build(recipe: Recipe, result: Result) -> None:
    began, there = time.monotonic(), recipe.is_made
    try:
        build(recipe, _say)
    except BuildFailed as failure:
        result.absent, result.environment = True, str(failure)
    else:
        took = f"built in {time.monotonic() - began:.0f} s"
        result.environment = "was there" if there else took
    _say(result.environment)


def _train(result: Result, bucket: Bucket, scratch: Path) -> None:
    small = Small(result.name, Recipe(CLONE, result.name).folder / "bin" / "python")
    if not (small.folder / "small.yaml").is_file():
        result.courses.append(Course(failure=f"{small.folder / 'small.yaml'} is missing"))
        return
    for seed in SEEDS:
        folder = scratch / f"{result.name}-{seed}"
        folder.mkdir()
        began = time.monotonic()
        try:
            course = small.train(seed, bucket, folder)
        except subprocess.CalledProcessError as error:
            course = Course(failure=f"its data could not be made: {error}")
        result.courses.append(course)
        _say(f"seed {seed}: {course}, {time.monotonic() - began:.0f} s")
        if course.failure and (log := folder / "program.log").is_file():
            print(log.read_text(errors="replace")[-6000:])


def _check(result: Result, scratch: Path) -> None:
    """`eventrain trainer check`, with the small training and its data."""
    small = Small(result.name, Recipe(CLONE, result.name).folder / "bin" / "python")
    if not (small.folder / "small.yaml").is_file():
        result.check = "FAILED"
        return
    folder = FRAMEWORKS / result.name
    data = small.data(scratch / f"{result.name}-check")
    options = ["--python", str(small.python), "--small", str(small.folder / "small.yaml")]
    options += ["--dataset", str(data[0] if len(data) == 1 else data[0].parent)] if data else []
    command = [sys.executable, "-m", "eventrain_trainer", "check", str(folder), *options]
    ended = subprocess.run([*command, "--patience", "300"], cwd=CLONE, check=False)
    result.check = "FAILED" if ended.returncode else "passed"


def _test(result: Result) -> None:
    folder = HERE / result.name
    if not list(folder.glob("test_*.py")):
        result.tests = "none"
        return
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", str(folder)], cwd=CLONE, check=False
    )
    result.tests = "FAILED" if ended.returncode else "passed"


def _table(results: Sequence[Result]) -> Iterator[str]:
    yield f"{'FRAMEWORK':14}{'VERDICT':10}{'CHECK':8}{'ITS TESTS':11}LOSS, first -> last, by seed"
    for result in results:
        courses = "; ".join(map(str, result.courses))
        told = result.environment if result.absent else courses
        checked = f"{result.check or '-':8}{result.tests or '-':11}"
        yield f"{result.name:14}{result.verdict:10}{checked}{told}"


def _say(text: str) -> None:
    print(f"   {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
