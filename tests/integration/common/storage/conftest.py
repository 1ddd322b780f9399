"""Two stores: the one that the local stack runs, and moto, which has the manners of AWS."""

from collections.abc import AsyncGenerator, Iterator

import httpx
import pytest
from moto.server import ThreadedMotoServer

from common.settings import Storage
from common.storage.objects import Objects, open_objects
from tests import s3_server


@pytest.fixture(scope="session")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storage]:
    """The real one, which verifies signatures."""
    with s3_server.serve(tmp_path_factory.mktemp("s3")) as settings:
        yield settings


@pytest.fixture(scope="session", params=["rclone", "moto"])
def store(request: pytest.FixtureRequest) -> Iterator[Storage]:
    """Each of the two, for what must hold with any S3."""
    if request.param == "rclone":
        yield request.getfixturevalue("storage")
        return
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    yield Storage(url, url, "bucket", "us-east-1", "key", "secret")
    server.stop()


@pytest.fixture
async def objects(storage: Storage) -> AsyncGenerator[Objects, None]:
    async with open_objects(storage) as opened:
        await opened.ensure_bucket()
        yield opened


@pytest.fixture
async def http() -> AsyncGenerator[httpx.AsyncClient, None]:
    async with httpx.AsyncClient() as client:
        yield client
