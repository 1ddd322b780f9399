"""`python -m tests.previous`: the tests of the release before, on the schema of this tree (rule 28).

The release is the commit that infra/deploy/previous-release names. Its tree is put into a scratch
folder, where one file is replaced: its migration command, which runs this tree's instead. What is
tested is then the old functions on the new schema, with the packages of this tree.
"""

import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

CLONE = Path(__file__).parents[1]
NAMED = Path("infra/deploy/previous-release")
VERSIONS = "common/migrations/versions"
# What speaks SQL: state, callbacks, launching, reconciling, the catalog. Paths among the arguments
# are run instead.
SUITES = (
    "tests/integration/common/jobs",
    "tests/integration/common/launch",
    "tests/integration/common/sync",
    "tests/integration/functions",
)
MIGRATE = """\
import os, subprocess, sys

def main():
    command = [sys.executable, "-m", "common.migrate"]
    sys.exit(subprocess.run(command, cwd={clone!r}, env=os.environ).returncode)

if __name__ == "__main__":
    main()
"""


class NothingToProve(Exception):
    """Why there is no test to run; the message is for the one who asked."""


def previous_release(clone: Path) -> tuple[str, str]:
    """Its commit and its version. Raises NothingToProve where this clone does not hold it, or
    where the schema is still the same."""
    commit, version = (clone / NAMED).read_text(encoding="utf-8").split()
    if _git(clone, "cat-file", "-e", f"{commit}^{{commit}}").returncode:
        raise NothingToProve(
            f"{version} ({commit[:7]}) is not in this clone: git fetch --unshallow"
        )
    if not _git(clone, "status", "--porcelain", "--", VERSIONS).stdout and not (
        _git(clone, "diff", "--quiet", commit, "--", VERSIONS).returncode
    ):
        raise NothingToProve(f"the schema is still that of {version}")
    return commit, version


def unpack(clone: Path, commit: str, folder: Path) -> None:
    """The tree of that commit, migrating as this tree does."""
    archive = subprocess.run(
        ["git", "-C", clone, "archive", commit], capture_output=True, check=True
    ).stdout
    packed = folder / "tree.tar"
    packed.write_bytes(archive)
    with tarfile.open(packed) as tree:
        # Python's own guard came with 3.11.4; this is a tree of ours.
        tree.extractall(folder, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    packed.unlink()
    (folder / "common" / "migrate.py").write_text(MIGRATE.format(clone=str(clone)), "utf-8")


def run(folder: Path, arguments: Sequence[str]) -> int:
    """pytest's exit code there. The tree itself comes before what is installed."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, cwd=folder, env=dict(os.environ), check=False).returncode


def main(arguments: Sequence[str]) -> int:
    try:
        commit, version = previous_release(CLONE)
    except NothingToProve as reason:
        print(f"The tests of the release before were not run: {reason}.")
        return 0
    with tempfile.TemporaryDirectory(prefix="eventrain-previous-") as scratch:
        unpack(CLONE, commit, Path(scratch))
        print(f"The tests of {version} ({commit[:7]}) on the schema of this tree:", flush=True)
        chosen = any(each.startswith("tests/") for each in arguments)
        return run(Path(scratch), [*([] if chosen else SUITES), *arguments])


def _git(clone: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["git", "-C", str(clone), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
