"""One running stack for the journeys."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.functional.here import Here
from tests.functional.stack import Command, Up
from tests.functional.user import User
from tests.functional.world import World
from tests.postgres_server import CLONE


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


@pytest.fixture(scope="session")
def eventrain(up: Up) -> Command:
    """The command, as it is typed beside the stack."""

    def call(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "infra.cli", *words],
            check=False,
            cwd=CLONE,
            env={**os.environ, "EVENTRAIN_HOME": str(up.home), "COLUMNS": "200"},
            capture_output=True,
            text=True,
            timeout=100,
        )

    return call
