from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio

from common.settings import Storage
from common.storage.objects import open_objects
from tests import kubernetes, s3_server
from tests.world import World


@pytest.fixture(scope="session")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storage]:
    with s3_server.serve(tmp_path_factory.mktemp("s3")) as storage:
        yield storage


@pytest_asyncio.fixture
async def world(pool: asyncpg.Pool, storage: Storage, tmp_path: Path) -> AsyncIterator[World]:
    async with kubernetes.run(tmp_path / "cluster") as cluster, open_objects(storage) as objects:
        yield World(pool, cluster, objects, storage)
