"""The cluster that the environment names, or a clear word that it names none."""

import os
from collections.abc import Iterator

import pytest

from tests.cluster.settings import ClusterSettings, NoCluster
from tests.cluster.there import There
from tests.functional.user import User


@pytest.fixture(scope="session")
def settings() -> ClusterSettings:
    try:
        return ClusterSettings.from_environ(os.environ)
    except NoCluster as none:
        pytest.skip(str(none))
    except ValueError as wrong:
        pytest.fail(f"{wrong} See tests/cluster/settings.py.")


@pytest.fixture(scope="session")
def world(settings: ClusterSettings) -> Iterator[There]:
    there = There(settings)
    yield there
    there.close()


@pytest.fixture(scope="session")
def user(world: There) -> User:
    return world.person("admin")
