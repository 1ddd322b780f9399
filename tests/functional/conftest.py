"""One running stack for the journeys."""

from collections.abc import Iterator

import pytest

from tests.functional.here import Here
from tests.functional.stack import Up
from tests.functional.user import User
from tests.functional.world import World


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


@pytest.fixture(scope="session")
def world(up: Up, user: User) -> Iterator[World]:
    here = Here(up, user)
    yield here
    here.close()
