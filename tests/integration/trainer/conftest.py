from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.trainer.bucket import Bucket, S3Server
from tests.integration.trainer.control_plane import ControlPlane
from tests.integration.trainer.program import Program

SKLEARN = Path(__file__).parents[3] / ".venvs" / "trainer-sklearn" / "bin" / "python"


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucket]:
    server = S3Server.start(tmp_path_factory.mktemp("s3"))
    yield server.bucket
    server.stop()


@pytest.fixture
def plane(bucket: Bucket) -> Iterator[ControlPlane]:
    bucket.empty()
    with ControlPlane(bucket) as plane:
        yield plane


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Callable[..., Program]]:
    started: list[Program] = []

    def start(*command: str, **environ: str) -> Program:
        started.append(Program(tmp_path, command, environ))
        return started[-1]

    yield start
    for one in started:
        one.kill()


@pytest.fixture
def sklearn_python() -> str:
    assert SKLEARN.exists(), "the environment of trainer-sklearn was not made: make setup"
    return str(SKLEARN)
