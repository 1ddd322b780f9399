"""One running stack for the journeys."""

from collections.abc import Iterator

import pytest

from tests.functional.stack import Up
from tests.functional.user import User


@pytest.fixture(scope="session")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    stack = Up(tmp_path_factory.mktemp("home"))
    stack.start()
    yield stack
    stack.end()


@pytest.fixture(scope="session")
def user(up: Up) -> Iterator[User]:
    known = User.of_home(up.home)
    yield known
    known.close()
