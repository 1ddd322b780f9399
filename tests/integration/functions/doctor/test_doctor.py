"""What the inside says of itself, also where much of it is away."""

from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import httpx
import pytest

from common.events import Event
from common.letter import Letters, letter_of
from common.settings import Storage
from common.storage.objects import Objects
from functions.doctor.app import create_app
from tests import s3_server
from tests.catalogue import bearer, caller, keys, with_storage
from tests.jobs import PROJECT

DOCTOR = "/llm-ops/v1/admin/doctor"
Open = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]
NOWHERE = """
current-context: c
contexts: [{name: c, context: {cluster: c, user: u, namespace: eventrain}}]
clusters: [{name: c, cluster: {server: "http://127.0.0.1:9"}}]
users: [{name: u, user: {token: t}}]
"""


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storage]:
    """A bucket in which nobody else leaves letters."""
    with s3_server.serve(tmp_path_factory.mktemp("s3")) as settings:
        yield settings


@pytest.fixture
def function(environ: dict[str, str], storage: Storage, tmp_path: Path) -> Open:
    """The function where no cluster answers, with other settings if they are named."""
    file = tmp_path / "kubeconfig.yaml"
    file.write_text(NOWHERE)

    @asynccontextmanager
    async def start(**changes: str) -> AsyncGenerator[httpx.AsyncClient]:
        whole = {**with_storage(environ, storage), "KUBECONFIG": str(file), **changes}
        async with caller(create_app(whole)) as client:
            yield client

    return start


async def found_by(client: httpx.AsyncClient) -> dict[str, str | None]:
    answer = await client.get(DOCTOR)
    assert answer.status_code == 200, answer.text
    return {each["check"]: each["wrong"] for each in answer.json()["data"]["findings"]}


async def note_tick(pool: asyncpg.Pool, completed_at: datetime) -> None:
    await pool.execute(
        "insert into leases (name, completed_at, detail) values ('status-sync', $1, '{}')",
        completed_at,
    )


class TestDoctor:
    async def test_finds_what_is_well(
        self, function: Open, pool: asyncpg.Pool, objects: Objects
    ) -> None:
        await note_tick(pool, datetime.now(UTC))
        async with function() as client:
            found = await found_by(client)
        well = dict.fromkeys(("schema", "ticks", "bucket", "dead letters", "mlflow"))
        assert found == well | {"triggers": "The Triggers cannot be seen."}
        assert await keys(objects, "doctor/") == []

    async def test_finds_that_no_tick_was_ever_complete_or_that_the_last_is_long_past(
        self, function: Open, pool: asyncpg.Pool
    ) -> None:
        async with function() as client:
            assert (await found_by(client))["ticks"] == "No tick was ever complete."
            await note_tick(pool, datetime.now(UTC) - timedelta(minutes=6))
            assert (await found_by(client))["ticks"] == "The last complete tick is too old."

    async def test_finds_a_schema_that_no_migration_has_made(
        self, function: Open, pool: asyncpg.Pool
    ) -> None:
        await pool.execute("drop table alembic_version")
        async with function() as client:
            assert (await client.get("/readyz")).status_code == 200
            assert (await found_by(client))["schema"] == "The schema is behind the code."

    async def test_answers_without_a_database(self, function: Open) -> None:
        async with function(DATABASE_URL="postgresql://nobody@127.0.0.1:9/none") as client:
            found = await found_by(client)
        assert found["schema"] == found["ticks"] == "The database cannot be asked."

    async def test_tells_a_bucket_that_is_missing_from_a_store_that_is(
        self, function: Open
    ) -> None:
        async with function(S3_BUCKET="elsewhere") as client:
            assert (await found_by(client))["bucket"] == "The bucket is missing."
        async with function(AWS_SECRET_ACCESS_KEY="wrong") as client:
            assert (await found_by(client))["bucket"] == "The bucket cannot be written to."

    async def test_finds_letters_that_nobody_has_sent_again(
        self, function: Open, objects: Objects
    ) -> None:
        event = Event("e1", "submit-job", "dev.eventrain.job.submitted.v1", data={})
        letter = letter_of(event, datetime.now(UTC))
        await Letters(objects).keep(letter)
        async with function() as client:
            assert (await found_by(client))["dead letters"] == "Events wait that nobody took."
            await Letters(objects).mark(letter, datetime.now(UTC))
            assert (await found_by(client))["dead letters"] is None
        await objects.delete(letter.key)

    async def test_is_for_who_administers(self, function: Open) -> None:
        async with function() as client:
            answer = await client.get(DOCTOR, headers=bearer({PROJECT: "member"}))
        assert answer.status_code == 403
