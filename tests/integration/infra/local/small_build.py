"""Makes an environment in a small clone, in a process that can be killed: clone, name."""

import sys
from pathlib import Path

from infra.local.environments.build import BuildFailed, build
from infra.local.environments.recipe import Recipe


def say(line: str) -> None:
    print(line, flush=True)


def main() -> int:
    try:
        build(Recipe(Path(sys.argv[1]), sys.argv[2]), say)
    except BuildFailed as failure:
        say(str(failure))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
