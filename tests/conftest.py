"""What every test may ask for."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio

from common import postgres
from common.settings import Database as DatabaseSettings
from tests.mlflow_server import MlflowServer
from tests.mlflow_server import serve as mlflow_serving
from tests.postgres_server import Database, PostgresServer


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A running Postgres with the migrated template."""
    folder: Path = tmp_path_factory.mktemp("postgres")
    server = PostgresServer(folder)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def database(postgres_server: PostgresServer) -> Iterator[Database]:
    """A fresh copy of the migrated database; `database.url` says where."""
    made = postgres_server.create()
    yield made
    postgres_server.drop(made)


@pytest.fixture(scope="session")
def mlflow_server(
    postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MlflowServer]:
    """A running MLflow on that Postgres and on an S3 server of its own. Whoever kills it starts it
    again."""
    with mlflow_serving(tmp_path_factory.mktemp("mlflow"), postgres_server) as server:
        yield server


@pytest_asyncio.fixture
async def pool(database: Database) -> AsyncIterator[asyncpg.Pool]:
    """A pool as the functions open it."""
    opened = await postgres.open_pool(DatabaseSettings(url=database.url, pool_size=10))
    yield opened
    await postgres.close_pool(opened)
