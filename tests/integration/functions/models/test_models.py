"""The catalog of models on a real Postgres and a real S3 server."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
import pytest_asyncio

from common.catalogue.model import MOVES
from common.errors import Invalid
from common.jobs.state import Status
from common.settings import Storage
from common.storage.objects import Objects
from functions.models.app import create_app
from tests.catalogue import OTHER_PROJECT, bearer, caller, keys, with_storage
from tests.jobs import PROJECT, make_job

PATH = "/llm-ops/v1/catalog/models"
CONTRACT = {
    *("id", "name", "version", "type", "status", "owner_team", "metadata", "storage_uri"),
    *("model_family", "lineage_dataset_ids", "evaluation_summary"),
}


@pytest_asyncio.fixture
async def client(environ: dict[str, str], storage: Storage) -> AsyncIterator[httpx.AsyncClient]:
    async with caller(create_app(with_storage(environ, storage))) as opened:
        yield opened


async def make(client: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    answer = await client.post(PATH, json={"name": f"digits-{uuid4().hex[:6]}"} | fields)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


async def move(client: httpx.AsyncClient, model: dict[str, Any], status: str) -> int:
    answer = await client.patch(f"{PATH}/{model['id']}/status", params={"status": status})
    return answer.status_code


class TestModels:
    async def test_are_created_shown_and_listed(self, client: httpx.AsyncClient) -> None:
        made = await make(client, type="base", model_family="bert", metadata={"a": 1})
        assert made.keys() >= CONTRACT
        assert (made["status"], made["version"], made["metadata"]) == ("draft", "1", {"a": 1})
        assert (await client.get(f"{PATH}/{made['id']}")).json()["data"] == made
        assert (await client.get(PATH)).json()["data"] == [made]
        assert (await client.get(PATH, params={"status": "approved"})).json()["data"] == []

    async def test_are_listed_newest_first_in_pages(self, client: httpx.AsyncClient) -> None:
        made = [(await make(client))["id"] for _ in range(3)]
        first = await client.get(PATH, params={"limit": 2})
        cursor = first.headers["x-next-cursor"]
        second = await client.get(PATH, params={"limit": 2, "cursor": cursor})
        seen = [row["id"] for row in first.json()["data"] + second.json()["data"]]
        assert seen == made[::-1]
        assert (await client.get(PATH, params={"cursor": "bad"})).status_code == 422

    async def test_do_not_take_the_address_of_another(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        await make_job(pool, output_model_name="in-training", output_model_version="1")
        refused = await client.post(PATH, json={"name": "In Training"})
        assert refused.status_code == 409
        await make(client, name="Mine")
        assert (await client.post(PATH, json={"name": "mine"})).status_code == 409

    async def test_keep_their_address_from_jobs(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        await make(client, name="Mine")
        with pytest.raises(Invalid, match="exists"):
            await make_job(pool, output_model_name="mine", output_model_version="1")

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({}, "name"),
            ({"name": "///"}, "name"),
            ({"name": "m", "version": "a/b"}, "version"),
            ({"name": "m", "type": "other"}, "type"),
            ({"name": "m", "metadata": {"files": 1}}, "metadata.files"),
            ({"name": "m", "lineage_dataset_ids": ["x"]}, "lineage_dataset_ids.0"),
            ({"name": "m", "storage_uri": "s3://eventrain/models/other/1/"}, "storage_uri"),
        ],
    )
    async def test_are_refused_by_field(
        self, client: httpx.AsyncClient, body: dict[str, Any], field: str
    ) -> None:
        answer = await client.post(PATH, json=body)
        assert answer.status_code == 422
        assert [each["field"] for each in answer.json()["data"]["errors"]] == [field]

    async def test_are_not_found_where_others_own_them(self, client: httpx.AsyncClient) -> None:
        path = f"{PATH}/{(await make(client))['id']}"
        viewer, stranger = bearer({PROJECT: "viewer"}), bearer({OTHER_PROJECT: "admin"})
        assert (await client.get(path, headers=stranger)).status_code == 404
        assert (await client.get(path, headers=viewer)).status_code == 200
        status = {"status": "under_review"}
        refused = await client.patch(f"{path}/status", params=status, headers=viewer)
        assert refused.status_code == 403
        member = bearer({PROJECT: "member"})
        assert (await client.delete(path, headers=member)).status_code == 403

    async def test_offer_no_paths_that_are_not_built(self, client: httpx.AsyncClient) -> None:
        made = await make(client)
        assert (await client.post(f"{PATH}/import", json={})).status_code == 404
        assert (await client.post(f"{PATH}/{made['id']}/export", json={})).status_code == 404


class TestStatus:
    @pytest.mark.parametrize("source", sorted(MOVES))
    @pytest.mark.parametrize("target", sorted(MOVES))
    async def test_moves_as_the_table_says(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool, source: str, target: str
    ) -> None:
        made = await make(client)
        await pool.execute("update models set status = $1", source)
        allowed = source == target or target in MOVES[source]
        assert await move(client, made, target) == (200 if allowed else 409)
        assert await pool.fetchval("select status from models") == (target if allowed else source)

    async def test_is_one_of_four(self, client: httpx.AsyncClient) -> None:
        assert await move(client, await make(client), "done") == 422


class TestUpload:
    async def test_goes_to_the_projects_own_place(
        self, client: httpx.AsyncClient, objects: Objects
    ) -> None:
        made = await make(client, metadata={"note": "x"})
        files = [("files", ("a.bin", b"1")), ("files", ("b.bin", b"22"))]
        answer = await client.post(f"{PATH}/{made['id']}/upload", files=files)
        shown = answer.json()["data"]
        prefix = f"projects/{PROJECT}/models/{made['id']}/"
        assert shown["storage_uri"] == f"s3://eventrain/{prefix}"
        assert await keys(objects, prefix) == [f"{prefix}a.bin", f"{prefix}b.bin"]
        assert shown["metadata"]["note"] == "x"
        assert [each["name"] for each in shown["metadata"]["files"]] == ["a.bin", "b.bin"]

    async def test_by_parts_is_offered(self, client: httpx.AsyncClient) -> None:
        made = await make(client)
        wanted = {"name": "large.bin", "size": 40 << 20}
        begun = (await client.post(f"{PATH}/{made['id']}/uploads", json=wanted)).json()["data"]
        assert [part["part_number"] for part in begun["parts"]] == [1, 2, 3]
        content = b"x" * begun["part_size"]
        parts: list[dict[str, Any]] = []
        async with httpx.AsyncClient() as s3:
            for part in begun["parts"]:
                put = await s3.put(part["url"], content=content)
                parts.append({"part_number": part["part_number"], "etag": put.headers["etag"]})
        done = {"name": "large.bin", "upload_id": begun["upload_id"], "parts": parts}
        answer = await client.post(begun["complete_url"], json=done)
        assert answer.json()["data"]["metadata"]["files"][0]["size"] == 3 * begun["part_size"]

    async def test_does_not_touch_what_a_job_made(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        made = await make(client)
        await pool.execute("update models set storage_uri = 's3://eventrain/models/m/1/'")
        files = {"files": ("a.bin", b"1")}
        answer = await client.post(f"{PATH}/{made['id']}/upload", files=files)
        assert answer.status_code == 409


class TestDelete:
    async def test_frees_the_address_once_nothing_lies_there(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool, objects: Objects
    ) -> None:
        job_id = await make_job(pool, Status.SUCCEEDED, output_model_name="gone")
        made = await register(pool, job_id, "gone")
        await objects.put_bytes("models/gone/1/a", b"1")
        assert (await client.delete(f"{PATH}/{made}")).status_code == 200
        assert await keys(objects, "models/gone/") == []
        job = await pool.fetchrow("select * from jobs where id = $1", job_id)
        assert (job["output_model_entry_id"], job["output_model_storage_uri"]) == (None, None)
        assert (await client.delete(f"{PATH}/{made}")).status_code == 404
        await make(client, name="gone")

    async def test_keeps_the_address_while_files_may_lie_there(
        self, environ: dict[str, str], pool: asyncpg.Pool
    ) -> None:
        job_id = await make_job(pool, Status.SUCCEEDED, output_model_name="left")
        made = await register(pool, job_id, "left")
        async with caller(create_app(environ)) as without_storage:
            assert (await without_storage.delete(f"{PATH}/{made}")).status_code == 503
            assert (await without_storage.get(f"{PATH}/{made}")).status_code == 404
            again = await without_storage.post(PATH, json={"name": "left"})
            assert again.status_code == 409
        assert await pool.fetch("select job_id from model_reservations") == [(None,)]

    @pytest.mark.parametrize(("status", "answer"), [(Status.QUEUED, 409), (Status.FAILED, 200)])
    async def test_waits_for_the_jobs_that_use_it(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool, status: Status, answer: int
    ) -> None:
        made = await make(client)
        await make_job(pool, status, model_id=UUID(made["id"]))
        assert (await client.delete(f"{PATH}/{made['id']}")).status_code == answer


async def register(pool: asyncpg.Pool, job_id: UUID, name: str) -> UUID:
    """The entry of a job's model, as register-model leaves it."""
    uri = f"s3://eventrain/models/{name}/1/"
    made: UUID = await pool.fetchval(
        "insert into models (id, project_id, name, version, type, status, storage_uri, job_id,"
        " created_by, created_at, updated_at) values (gen_random_uuid(), $1, $2, '1', 'trained',"
        " 'draft', $3, $4, 'ada', now(), now()) returning id",
        PROJECT,
        name,
        uri,
        job_id,
    )
    query = (
        "update jobs set output_model_entry_id = $2, output_model_storage_uri = $3 where id = $1"
    )
    await pool.execute(query, job_id, made, uri)
    return made
