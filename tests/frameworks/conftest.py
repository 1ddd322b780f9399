"""What the tests of a framework find: its environment, and a control plane to train against."""

from pathlib import Path

import pytest

from infra.local.environments.recipe import Recipe
from tests.integration.trainer.conftest import bucket, plane, program
from tests.postgres_server import CLONE

__all__ = ["bucket", "plane", "program"]


@pytest.fixture
def framework_python(request: pytest.FixtureRequest) -> str:
    """The interpreter of the framework that the test's folder is named after."""
    recipe = Recipe(CLONE, Path(request.path).parent.name)
    if not recipe.is_made:
        pytest.skip(f"its environment is not there: make env FRAMEWORK={recipe.name}")
    return str(recipe.folder / "bin" / "python")
