"""The environment that functions find in these tests."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from common.settings import Storage
from common.storage.objects import Objects, open_objects
from tests import s3_server
from tests.keys import ring_json
from tests.postgres_server import CLONE, Database


@pytest.fixture
def environ(database: Database) -> dict[str, str]:
    """All that any function reads."""
    return environ_of(database.url)


def environ_of(database_url: str) -> dict[str, str]:
    """The same for a database by its address; the broker is where nobody listens."""
    config: Path = CLONE / "infra" / "base" / "config"
    return {
        "ENVIRONMENT": "dev",
        "DATABASE_URL": database_url,
        "BROKER_URL": "http://127.0.0.1:9/broker",
        "PUBLIC_URL": "http://eventrain.test",
        "CALLBACK_URL": "http://eventrain.test",
        "S3_ENDPOINT_URL": "http://127.0.0.1:9",
        "S3_BUCKET": "eventrain",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "JOB_TOKEN_KEYS": ring_json(),
        "USER_TOKEN_KEYS": ring_json(),
        "RECEIPT_KEYS": ring_json(),
        "CONFIG_DIR": str(config),
        "TRAINER_NAMESPACE": "eventrain-trainers",
    }


@pytest.fixture(scope="session")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storage]:
    """A real S3 server with an empty bucket."""
    with s3_server.serve(tmp_path_factory.mktemp("s3")) as settings:
        yield settings


@pytest_asyncio.fixture
async def objects(storage: Storage) -> AsyncIterator[Objects]:
    """What the tests look at in S3."""
    async with open_objects(storage) as opened:
        yield opened
