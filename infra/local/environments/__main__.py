"""`python -m infra.local.environments NAME`: makes the environment of a framework, if it is not there
as its lock says. Each step is a line; where it fails, the last line says why.
"""

import sys
from collections.abc import Sequence

from infra.local.environments.build import BuildFailed, build
from infra.local.environments.recipe import Recipe, known
from infra.local.settings import CLONE


def main(arguments: Sequence[str]) -> int:
    names = known(CLONE)
    if len(arguments) != 1 or arguments[0] not in names:
        _say(f"Name a framework: {', '.join(names)}")
        return 2
    recipe = Recipe(CLONE, arguments[0])
    if recipe.is_made:
        return 0
    _say(f"making the environment of {recipe.name} in {recipe.folder.relative_to(CLONE)}")
    try:
        build(recipe, _say)
    except BuildFailed as failure:
        _say(str(failure))
        return 1
    return 0


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
