"""Registering models on a real Postgres and a real S3 server, with kills and races."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import jsonschema
import pytest
import pytest_asyncio

from common.jobs import report
from common.jobs.state import Status, Trigger
from common.jobs.transition import Intent
from common.postgres import transaction
from common.settings import Storage
from common.storage.objects import Objects
from common.tokens.keyring import KeyRing
from eventing.catalogue import EventType, schema
from functions.register_model.app import create_app
from functions.register_model.handler import MOST_TRIES, Deps, Wish, register_due, register_model
from tests.catalogue import OTHER_PROJECT, bearer, caller, keys, with_storage
from tests.jobs import NOW, PROJECT, apply, make_dataset, make_job
from tests.keys import ring_json

RING = KeyRing.parse(ring_json())
DONE = {"outcome": "succeeded", "metrics": {"accuracy": 0.97}}


@pytest_asyncio.fixture
async def client(environ: dict[str, str], storage: Storage) -> AsyncIterator[httpx.AsyncClient]:
    async with caller(create_app(with_storage(environ, storage))) as opened:
        yield opened


@pytest.fixture
def deps(pool: asyncpg.Pool, objects: Objects, storage: Storage) -> Deps:
    return Deps(pool, objects, storage.bucket, RING, lambda ids: None, lambda: datetime.now(UTC))


async def succeeded(
    pool: asyncpg.Pool,
    objects: Objects,
    *files: str,
    done: dict[str, Any] | None = None,
    **fields: Any,
) -> UUID:
    """A job that has succeeded and left these files."""
    job_id = await make_job(pool, Status.RUNNING, **fields)
    for name in files:
        await objects.put_bytes(f"jobs/{job_id}/1/artifacts/{name}", name.encode())
    await apply(pool, Intent(job_id, 1, Trigger.SUCCEEDED, "done", done=done or DONE))
    return job_id


async def tell(pool: asyncpg.Pool, job_id: UUID, name: str, below: str) -> None:
    """As `done` does of an artifact that bears another name than its key."""
    told = {"name": name, "uri": f"s3://eventrain/jobs/{job_id}/1/artifacts/{below}"}
    async with transaction(pool) as connection:
        await report.add_artifacts(connection, job_id, 1, [told], now=NOW)


async def wake(client: httpx.AsyncClient, job_id: object) -> httpx.Response:
    """The event as a broker brings it."""
    headers = {
        "ce-specversion": "1.0",
        "ce-id": str(uuid4()),
        "ce-source": "done",
        "ce-type": EventType.JOB_SUCCEEDED,
        "ce-subject": str(job_id),
        "content-type": "application/json",
    }
    return await client.post("/", headers=headers, json={"jobId": "not to be trusted"})


async def ask(client: httpx.AsyncClient, job_id: UUID, **fields: Any) -> httpx.Response:
    body = {"modelName": "Digits MLP", "modelVersion": "7"} | fields
    return await client.post(f"/llm-ops/v1/training/jobs/{job_id}/register-model", json=body)


async def job_row(pool: asyncpg.Pool, job_id: UUID) -> Any:
    return await pool.fetchrow("select * from jobs where id = $1", job_id)


async def entries(pool: asyncpg.Pool) -> list[Any]:
    return await pool.fetch("select * from models")


async def work_state(pool: asyncpg.Pool, job_id: UUID) -> str | None:
    query = "select state from work where kind = 'register' and job_id = $1"
    return await pool.fetchval(query, job_id)


class TestJobSucceeded:
    async def test_puts_the_model_into_the_catalog(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool, objects: Objects
    ) -> None:
        dataset = await make_dataset(pool)
        job_id = await succeeded(
            pool, objects, "model/a.bin", "model/sub/b.bin", "plot.png", dataset_id=dataset
        )
        answer = await wake(client, job_id)
        assert (answer.status_code, answer.content) == (204, b"")
        (entry,), job = await entries(pool), await job_row(pool, job_id)
        prefix = f"models/{job['output_model_name']}/1/"
        assert await keys(objects, prefix) == [f"{prefix}a.bin", f"{prefix}sub/b.bin"]
        assert entry["storage_uri"] == f"s3://eventrain/{prefix}"
        assert (entry["type"], entry["status"], entry["job_id"]) == ("trained", "draft", job_id)
        assert entry["evaluation_summary"] == {"accuracy": 0.97}
        assert entry["lineage_dataset_ids"] == [str(dataset)]
        assert entry["metadata"]["job_id"] == str(job_id)
        assert [each["name"] for each in entry["metadata"]["files"]] == ["a.bin", "sub/b.bin"]
        assert job["output_model_entry_id"] == entry["id"]
        assert job["output_model_storage_uri"] == entry["storage_uri"]
        assert await work_state(pool, job_id) == "done"

    async def test_tells_of_it_with_the_jobs_next_number(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool, objects: Objects
    ) -> None:
        job_id = await succeeded(pool, objects, "m")
        await wake(client, job_id)
        rows = await pool.fetch(
            "select * from job_events where job_id = $1 order by sequence", job_id
        )
        assert [row["sequence"] for row in rows] == list(range(1, len(rows) + 1))
        assert rows[-1]["type"] == EventType.MODEL_REGISTERED
        assert (await job_row(pool, job_id))["sequence"] == len(rows)
        jsonschema.validate(rows[-1]["data"], schema(EventType.MODEL_REGISTERED))

    async def test_changes_nothing_the_second_time(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool, objects: Objects
    ) -> None:
        job_id = await succeeded(pool, objects, "m")
        await wake(client, job_id)
        before = await job_row(pool, job_id)
        assert (await wake(client, job_id)).status_code == 204
        assert await job_row(pool, job_id) == before
        assert len(await entries(pool)) == 1

    async def test_makes_a_base_model_of_pretraining(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool, objects: Objects
    ) -> None:
        await wake(client, await succeeded(pool, objects, "m", job_type="pretrain"))
        assert (await entries(pool))[0]["type"] == "base"

    async def test_makes_one_of_own_code_that_names_no_model_where_it_left_one(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool, objects: Objects
    ) -> None:
        request = {"trainer": {"source": {"uri": "s3://b/code"}}, "outputModelName": None}
        plain = await succeeded(pool, objects, "plot.png", request=request)
        await wake(client, plain)
        assert await entries(pool) == []
        assert (await job_row(pool, plain))["status_reason"] is None
        assert await work_state(pool, plain) == "done"

        job_id = await succeeded(pool, objects, "model/a.bin", request=request)
        await tell(pool, job_id, "model/a.bin", "model/a.bin")
        await wake(client, job_id)
        assert [entry["job_id"] for entry in await entries(pool)] == [job_id]

    async def test_does_nothing_where_the_job_wants_no_entry(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool, objects: Objects
    ) -> None:
        job_id = await succeeded(pool, objects, "m", auto_register=False)
        assert (await wake(client, job_id)).status_code == 204
        assert await entries(pool) == []

    @pytest.mark.parametrize("status", [Status.RUNNING, Status.FAILED, Status.CANCELLED])
    async def test_does_not_believe_the_event(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool, status: Status
    ) -> None:
        job_id = await make_job(pool, status)
        assert (await wake(client, job_id)).status_code == 204
        assert (await wake(client, uuid4())).status_code == 204
        assert await entries(pool) == []

    async def test_refuses_a_subject_that_is_no_job(self, client: httpx.AsyncClient) -> None:
        assert (await wake(client, "nothing")).status_code == 400

    async def test_says_on_the_job_that_there_was_nothing_to_register(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool, objects: Objects
    ) -> None:
        job_id = await succeeded(pool, objects)
        assert (await wake(client, job_id)).status_code == 204
        job = await job_row(pool, job_id)
        assert job["status"] == "succeeded"
        assert job["status_reason"].startswith("Not registered: The job left no artifacts")
        assert await work_state(pool, job_id) == "dead"

    async def test_comes_back_later_where_the_store_is_away(
        self, deps: Deps, pool: asyncpg.Pool, objects: Objects, environ: dict[str, str]
    ) -> None:
        job_id = await succeeded(pool, objects, "m")
        async with caller(create_app(environ)) as without_storage:
            assert (await wake(without_storage, job_id)).status_code == 204
        assert await work_state(pool, job_id) == "due"
        assert (await job_row(pool, job_id))["status_reason"] is None
        await make_due(pool, job_id)
        await register_due(job_id, deps=deps)
        assert len(await entries(pool)) == 1


async def make_due(pool: asyncpg.Pool, job_id: UUID) -> None:
    await pool.execute("update work set next_at = $2 where job_id = $1", job_id, NOW)


class Killed(BaseException):
    """The process is gone."""


class Dying:
    """A store whose process dies at its n-th copy."""

    def __init__(self, objects: Objects, at: int) -> None:
        self._objects = objects
        self._left = at
        self.walk = objects.walk
        self.sha256 = objects.sha256
        self.put_bytes = objects.put_bytes

    async def copy(self, source: str, target: str) -> None:
        self._left -= 1
        if self._left < 0:
            raise Killed
        await self._objects.copy(source, target)


class TestADeath:
    @pytest.mark.parametrize("copies", [0, 1, 2])
    async def test_in_the_middle_of_the_copy_is_made_up_for(
        self, deps: Deps, pool: asyncpg.Pool, objects: Objects, copies: int
    ) -> None:
        job_id = await succeeded(pool, objects, "a", "b", "c")
        dying: Any = Dying(objects, copies)
        with pytest.raises(Killed):
            await register_due(job_id, deps=replace(deps, objects=dying))
        assert await entries(pool) == []
        await register_due(job_id, deps=deps)
        assert await entries(pool) == [], "its lease is not over"
        await make_due(pool, job_id)
        await register_due(job_id, deps=deps)
        (entry,) = await entries(pool)
        assert [each["name"] for each in entry["metadata"]["files"]] == ["a", "b", "c"]

    async def test_after_the_commit_leaves_the_event_to_the_outbox(
        self, deps: Deps, pool: asyncpg.Pool, objects: Objects
    ) -> None:
        def die(ids: object) -> None:
            raise Killed

        job_id = await succeeded(pool, objects, "a")
        with pytest.raises(Killed):
            await register_due(job_id, deps=replace(deps, announce=die))
        assert len(await entries(pool)) == 1
        assert await work_state(pool, job_id) == "done"
        unpublished = await pool.fetchval(
            "select type from job_events where job_id = $1 and published_at is null"
            " order by sequence desc limit 1",
            job_id,
        )
        assert unpublished == EventType.MODEL_REGISTERED


class TestTwoAtOnce:
    async def test_make_one_entry_and_one_event(
        self, deps: Deps, pool: asyncpg.Pool, objects: Objects
    ) -> None:
        job_id = await succeeded(pool, objects, "a", "b")
        await asyncio.gather(*(register_model(job_id, Wish(), deps=deps) for _ in range(6)))
        assert len(await entries(pool)) == 1
        told = "select count(*) from job_events where job_id = $1 and type = $2"
        assert await pool.fetchval(told, job_id, EventType.MODEL_REGISTERED) == 1

    async def test_with_different_names_let_one_win(
        self, deps: Deps, pool: asyncpg.Pool, objects: Objects
    ) -> None:
        job_id = await succeeded(pool, objects, "a")
        wishes = (Wish(name="one", version="1"), Wish(name="two", version="1"))
        ends = await asyncio.gather(
            *(register_model(job_id, wish, deps=deps) for wish in wishes), return_exceptions=True
        )
        assert sum(end is None for end in ends) == 1
        assert len(await entries(pool)) == 1


class TestRegisterModel:
    async def test_registers_under_the_name_that_is_asked_for(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool, objects: Objects
    ) -> None:
        job_id = await succeeded(pool, objects, "model/a", auto_register=False)
        answer = await ask(client, job_id, ownerTeam="vision", metadata={"note": "x", "job_id": 1})
        assert answer.status_code == 200, answer.text
        shown = answer.json()["data"]
        assert shown["outputModelStorageUri"] == "s3://eventrain/models/digits-mlp/7/"
        (entry,) = await entries(pool)
        assert shown["outputModelEntryId"] == str(entry["id"])
        assert (entry["name"], entry["version"], entry["owner_team"]) == (
            "Digits MLP",
            "7",
            "vision",
        )
        assert entry["metadata"]["note"] == "x"
        assert entry["metadata"]["job_id"] == str(job_id)
        assert (await ask(client, job_id)).json()["data"] == shown
        assert (await ask(client, job_id, modelVersion="8")).status_code == 409
        assert len(await entries(pool)) == 1

    async def test_ends_what_was_due(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool, objects: Objects
    ) -> None:
        job_id = await succeeded(pool, objects, "a")
        await ask(client, job_id)
        assert await work_state(pool, job_id) == "done"
        await wake(client, job_id)
        assert len(await entries(pool)) == 1

    async def test_leaves_a_named_place_as_it_is(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool, objects: Objects
    ) -> None:
        job_id = await succeeded(pool, objects, "a", auto_register=False)
        uri = f"s3://eventrain/jobs/{job_id}/1/artifacts/"
        answer = await ask(client, job_id, modelName="in place", storageUri=uri)
        assert answer.json()["data"]["outputModelStorageUri"] == uri
        assert await keys(objects, "models/in-place/") == []

    @pytest.mark.parametrize(
        "uri",
        [
            "s3://eventrain/jobs/00000000-0000-4000-8000-000000000000/1/artifacts/",
            "s3://eventrain/models/other/1/",
            "s3://elsewhere/models/digits-mlp/7/",
            "s3://eventrain/models/digits-mlp/7/../../x",
            "s3://eventrain/models/digits-mlp/7/",
            "file:///etc/passwd",
        ],
    )
    async def test_refuses_a_place_that_is_not_the_jobs_or_empty(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool, objects: Objects, uri: str
    ) -> None:
        await objects.delete_prefix("models/digits-mlp/7/")
        job_id = await succeeded(pool, objects, "a", auto_register=False)
        answer = await ask(client, job_id, storageUri=uri)
        assert answer.status_code == 422
        assert answer.json()["data"]["errors"][0]["field"] == "storageUri"
        assert await entries(pool) == []

    @pytest.mark.parametrize("status", [Status.PENDING, Status.RUNNING, Status.FAILED])
    async def test_takes_succeeded_jobs_only(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool, status: Status
    ) -> None:
        assert (await ask(client, await make_job(pool, status))).status_code == 409

    async def test_refuses_an_address_that_another_job_reserved(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool, objects: Objects
    ) -> None:
        await make_job(
            pool, output_model_name="taken", output_model_version="7", project_id=OTHER_PROJECT
        )
        job_id = await succeeded(pool, objects, "a", auto_register=False)
        answer = await ask(client, job_id, modelName="Taken")
        assert answer.status_code == 422
        assert answer.json()["data"]["errors"][0]["field"] == "modelVersion"
        assert await keys(objects, "models/taken/") == []

    async def test_says_that_there_is_nothing_to_register(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool, objects: Objects
    ) -> None:
        assert (await ask(client, await succeeded(pool, objects))).status_code == 409

    async def test_is_for_members_of_the_jobs_project(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool, objects: Objects
    ) -> None:
        job_id = await succeeded(pool, objects, "a")
        for headers, status in (
            ({"authorization": "Bearer none"}, 401),
            (bearer({PROJECT: "viewer"}), 403),
            (bearer({OTHER_PROJECT: "admin"}), 404),
        ):
            client.headers.update(headers)
            assert (await ask(client, job_id)).status_code == status
        client.headers.update(bearer({PROJECT: "member"}))
        assert (await ask(client, uuid4())).status_code == 404
        assert (await ask(client, job_id)).status_code == 200

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("modelName", ""),
            ("modelName", "///"),
            ("modelName", "a\u0000"),
            ("modelVersion", "../1"),
            ("modelVersion", 1),
            ("metadata", []),
            ("metadata", {"n": 2**70}),
        ],
    )
    async def test_names_what_is_wrong_by_field(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool, field: str, value: Any
    ) -> None:
        answer = await ask(client, await make_job(pool, Status.SUCCEEDED), **{field: value})
        assert answer.status_code == 422
        assert answer.json()["data"]["errors"][0]["field"].startswith(field)


class Broken:
    """A store that fails as nobody foresaw."""

    def walk(self, prefix: str) -> Any:
        raise RuntimeError("a bug")


class TestAnUnforeseenFailure:
    async def test_is_tried_a_few_times_then_told_and_may_be_asked_for_again(
        self, deps: Deps, client: httpx.AsyncClient, pool: asyncpg.Pool, objects: Objects
    ) -> None:
        job_id = await succeeded(pool, objects, "a")
        broken: Any = Broken()
        for tried in range(1, MOST_TRIES + 1):
            assert await work_state(pool, job_id) == "due", tried
            await make_due(pool, job_id)
            await register_due(job_id, deps=replace(deps, objects=broken))
        assert await work_state(pool, job_id) == "dead"
        error = "select last_error from work where kind = 'register' and job_id = $1"
        assert await pool.fetchval(error, job_id) == "RuntimeError: a bug"
        assert "nobody foresaw" in (await job_row(pool, job_id))["status_reason"]
        assert (await ask(client, job_id, modelVersion=uuid4().hex[:8])).status_code == 200
        assert (await job_row(pool, job_id))["status_reason"] is None


class TestReservations:
    async def test_are_not_kept_where_nothing_can_be_registered(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool, objects: Objects
    ) -> None:
        job_id = await succeeded(pool, objects)
        assert (await ask(client, job_id, modelName="in vain")).status_code == 409
        held = "select count(*) from model_reservations where name = 'in-vain'"
        assert await pool.fetchval(held) == 0

    async def test_of_other_names_are_given_back_with_what_lies_there(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool, objects: Objects
    ) -> None:
        job_id = await succeeded(pool, objects, "a", auto_register=False)
        own = (await job_row(pool, job_id))["output_model_name"]
        await objects.put_bytes(f"models/{own}/1/half", b"copied")
        assert (await ask(client, job_id, modelName=f"w {uuid4().hex}")).status_code == 200
        held = "select count(*) from model_reservations where job_id = $1"
        assert await pool.fetchval(held, job_id) == 1
        assert await keys(objects, f"models/{own}/1/") == []
