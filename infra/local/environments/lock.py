"""`python -m infra.local.environments.lock [NAME...] [--upgrade]`: writes the locks from the extras.

A lock holds for any Python and system that Eventrain runs on, with a digest for each file. torch is
left out, and so is what only some builds of it bring: see `recipe`.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence

from infra.local.environments.recipe import Recipe, known
from infra.local.settings import CLONE

OLDEST_PYTHON = "3.11"
# Those that are built for one kind of machine; the extras say which version.
BUILT = ("torch", "torchvision")


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.local.environments.lock")
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions")
    given = parser.parse_args(arguments)
    for name in given.names or known(CLONE):
        code = _lock(Recipe(CLONE, name), upgrade=given.upgrade)
        if code:
            return code
    return 0


def _lock(recipe: Recipe, *, upgrade: bool) -> int:
    command = [
        *(str(CLONE / ".tools/bin/uv"), "pip", "compile", "--quiet", "trainer/pyproject.toml"),
        *("--extra", recipe.name, "--universal", "--python-version", OLDEST_PYTHON),
        *("--generate-hashes", "--excludes", "trainer/locks/brought-by-torch.in"),
        *(word for name in BUILT for word in ("--no-emit-package", name)),
        *("--custom-compile-command", "make lock"),
        *("--output-file", str(recipe.lock.relative_to(CLONE))),
        *(["--upgrade"] if upgrade else []),
    ]
    return subprocess.run(command, cwd=CLONE, env=dict(os.environ), check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
