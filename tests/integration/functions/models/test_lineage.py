"""What a model was made of and what was made of it, its files and its receipt, over HTTP."""

import hashlib
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
import pytest_asyncio
from eventrain_client import Client

from common.settings import Storage
from common.storage.objects import Objects
from functions.datasets.app import create_app as datasets_app
from functions.models.app import create_app
from functions.register_model.app import create_app as register_app
from infra.cli import receipt
from tests.catalogue import OTHER_PROJECT, bearer, caller, with_storage
from tests.integration.functions.register_model.test_register_model import ask, succeeded
from tests.jobs import PROJECT, make_dataset, make_model

CATALOG = "/llm-ops/v1/catalog"
REQUEST = {
    "hyperparameters": {"lr": 0.1},
    "trainer": {"source": {"uri": "s3://eventrain/x.tar.gz", "digest": "sha256:" + "0" * 64}},
    "resolved": {"framework": "sklearn", "image": "eventrain/trainer-sklearn:1"},
}


@pytest_asyncio.fixture
async def models(environ: dict[str, str], storage: Storage) -> AsyncIterator[httpx.AsyncClient]:
    async with caller(create_app(with_storage(environ, storage))) as opened:
        yield opened


@pytest_asyncio.fixture
async def datasets(environ: dict[str, str], storage: Storage) -> AsyncIterator[httpx.AsyncClient]:
    async with caller(datasets_app(with_storage(environ, storage))) as opened:
        yield opened


@pytest_asyncio.fixture
async def register(environ: dict[str, str], storage: Storage) -> AsyncIterator[httpx.AsyncClient]:
    async with caller(register_app(with_storage(environ, storage))) as opened:
        yield opened


class Made:
    """A model of a job that began from another model and trained on a dataset."""

    job: UUID
    dataset: UUID
    base: UUID
    model: str


@pytest_asyncio.fixture
async def made(pool: asyncpg.Pool, objects: Objects, register: httpx.AsyncClient) -> Made:
    made = Made()
    made.dataset, made.base = await make_dataset(pool), await make_model(pool, uuid4())
    fields: dict[str, Any] = {"request": REQUEST, "auto_register": False}
    made.job = await succeeded(
        pool, objects, "model/a.bin", dataset_id=made.dataset, model_id=made.base, **fields
    )
    answer = await ask(register, made.job, modelName=f"m{uuid4().hex}")
    made.model = answer.json()["data"]["outputModelEntryId"]
    return made


async def data(client: httpx.AsyncClient, path: str) -> Any:
    answer = await client.get(f"{CATALOG}/{path}")
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


class TestLineage:
    async def test_names_job_code_data_and_base_model(
        self, models: httpx.AsyncClient, made: Made
    ) -> None:
        told = (await data(models, f"models/{made.model}/lineage"))["made_from"]
        assert (told["job"]["id"], told["job"]["attempt"]) == (str(made.job), 1)
        assert told["job"]["hyperparameters"] == {"lr": 0.1}
        assert told["code"]["source"] == REQUEST["trainer"]["source"]
        assert told["code"]["image"] == "eventrain/trainer-sklearn:1"
        assert told["base_model"]["id"] == str(made.base)
        assert [each["id"] for each in told["datasets"]] == [str(made.dataset)]

    async def test_names_what_was_made_of_a_model_and_of_a_dataset(
        self, models: httpx.AsyncClient, datasets: httpx.AsyncClient, made: Made
    ) -> None:
        for told in (
            await data(models, f"models/{made.base}/lineage"),
            await data(datasets, f"datasets/{made.dataset}/lineage"),
        ):
            assert [each["id"] for each in told["made"]["jobs"]] == [str(made.job)]
            assert [each["id"] for each in told["made"]["models"]] == [made.model]
            assert told["made"]["more"] is False

    async def test_of_an_entry_that_people_made_has_no_job(
        self, models: httpx.AsyncClient, made: Made
    ) -> None:
        told = await data(models, f"models/{made.base}/lineage")
        assert told["made_from"]["job"] is None

    async def test_does_not_name_what_another_project_owns(
        self, models: httpx.AsyncClient, pool: asyncpg.Pool, made: Made
    ) -> None:
        await pool.execute(
            "update datasets set project_id = $2 where id = $1", made.dataset, OTHER_PROJECT
        )
        (named,) = (await data(models, f"models/{made.model}/lineage"))["made_from"]["datasets"]
        assert (named["id"], named["name"]) == (str(made.dataset), None)


class TestDeleting:
    async def test_a_dataset_is_refused_while_a_model_of_it_is_not_deprecated(
        self, datasets: httpx.AsyncClient, models: httpx.AsyncClient, made: Made
    ) -> None:
        refused = await datasets.delete(f"{CATALOG}/datasets/{made.dataset}")
        assert refused.status_code == 409
        assert refused.json()["data"]["code"] == "IN_USE"
        (told,) = refused.json()["data"]["dependents"]
        assert (told["kind"], told["id"], told["status"]) == ("model", made.model, "draft")
        await models.patch(f"{CATALOG}/models/{made.model}/status?status=deprecated")
        assert (await datasets.delete(f"{CATALOG}/datasets/{made.dataset}")).status_code == 200

    async def test_a_base_model_is_refused_likewise_and_its_child_is_not(
        self, models: httpx.AsyncClient, made: Made
    ) -> None:
        refused = await models.delete(f"{CATALOG}/models/{made.base}")
        assert refused.json()["data"]["dependents"][0]["id"] == made.model
        assert (await models.delete(f"{CATALOG}/models/{made.model}")).status_code == 200
        assert (await models.delete(f"{CATALOG}/models/{made.base}")).status_code == 200


def sha256_at(url: str) -> str:
    with Client("http://127.0.0.1:9", "none") as client:
        return client.api.sha256_at(url)


class TestReceipt:
    async def examine(
        self, models: httpx.AsyncClient, register: httpx.AsyncClient, model: str
    ) -> list[str]:
        row, stored = await data(models, f"models/{model}"), {"receipt": "", "sha256": ""}
        stored = await data(models, f"models/{model}/receipt")
        keys = (await data(register, "receipt-keys"))["keys"]
        files = await data(models, f"models/{model}/files")
        found = receipt.examine(row, stored, keys, files, sha256_at)
        return [each.what for each in found if each.wrong]

    async def test_vouches_for_what_was_registered(
        self, models: httpx.AsyncClient, register: httpx.AsyncClient, made: Made
    ) -> None:
        assert await self.examine(models, register, made.model) == []

    async def test_finds_an_artifact_that_was_changed(
        self, models: httpx.AsyncClient, register: httpx.AsyncClient, objects: Objects, made: Made
    ) -> None:
        key = (await data(models, f"models/{made.model}"))["storage_uri"].split("/", 3)[3]
        await objects.put_bytes(f"{key}a.bin", b"something el")
        assert await self.examine(models, register, made.model) == ["file: a.bin"]

    @pytest.mark.parametrize("what", ["another receipt", "a forged one that the row names"])
    async def test_finds_a_receipt_that_was_changed(
        self,
        models: httpx.AsyncClient,
        register: httpx.AsyncClient,
        objects: Objects,
        pool: asyncpg.Pool,
        made: Made,
        what: str,
    ) -> None:
        stored = await data(models, f"models/{made.model}/receipt")
        forged = stored["receipt"].replace('"lr":0.1', '"lr":0.2').encode()
        row = await data(models, f"models/{made.model}")
        folder = row["storage_uri"].split("/", 3)[3].replace("models/", "receipts/", 1)
        if what == "another receipt":
            await objects.put_bytes(f"{folder}{stored['sha256']}.json", forged)
            assert await self.examine(models, register, made.model) == ["receipt", "signature"]
            return
        sha256 = hashlib.sha256(forged).hexdigest()
        await objects.put_bytes(f"{folder}{sha256}.json", forged)
        await pool.execute("update models set receipt_sha256 = $1 where id = $2", sha256, row["id"])
        assert await self.examine(models, register, made.model) == ["signature"]

    @pytest.mark.parametrize(
        ("column", "value"),
        [
            ("version", "99"),
            ("model_family", "other"),
            ("evaluation_summary", {"accuracy": 1.0}),
            ("lineage_dataset_ids", []),
            ("job_id", uuid4()),
        ],
    )
    async def test_finds_an_entry_that_was_changed(
        self,
        models: httpx.AsyncClient,
        register: httpx.AsyncClient,
        pool: asyncpg.Pool,
        made: Made,
        column: str,
        value: Any,
    ) -> None:
        stored = await data(models, f"models/{made.model}/receipt")
        await pool.execute(f"update models set {column} = $1 where id = $2", value, made.model)
        row = await data(models, f"models/{made.model}")
        keys = (await data(register, "receipt-keys"))["keys"]
        found = receipt.examine(row, stored, keys, row["metadata"]["files"], None)
        assert [each.what for each in found if each.wrong] == [f"entry: {column}"]

    async def test_is_absent_where_people_made_the_entry(
        self, models: httpx.AsyncClient, made: Made
    ) -> None:
        answer = await models.get(f"{CATALOG}/models/{made.base}/receipt")
        assert answer.status_code == 404


class TestFiles:
    async def test_come_with_addresses_that_fetch_them(
        self, models: httpx.AsyncClient, made: Made
    ) -> None:
        (file,) = await data(models, f"models/{made.model}/files")
        assert file["name"] == "a.bin"
        assert sha256_at(file["url"]) == file["sha256"]

    async def test_are_for_who_may_look(self, models: httpx.AsyncClient, made: Made) -> None:
        path = f"{CATALOG}/models/{made.model}/files"
        assert (await models.get(path, headers=bearer({OTHER_PROJECT: "admin"}))).status_code == 404
        assert (await models.get(path, headers=bearer({PROJECT: "viewer"}))).status_code == 200

    async def test_of_an_upload_that_is_given_up_cannot_be_joined(
        self, models: httpx.AsyncClient
    ) -> None:
        named = {"name": uuid4().hex, "type": "base"}
        entry = (await models.post(f"{CATALOG}/models", json=named)).json()["data"]["id"]
        path = f"{CATALOG}/models/{entry}/uploads"
        begun = (await models.post(path, json={"name": "b", "size": 10})).json()["data"]
        upload = {"name": "b", "upload_id": begun["upload_id"]}
        for _ in range(2):
            assert (await models.post(f"{path}/abort", json=upload)).status_code == 200
        part = {"part_number": 1, "etag": "e"}
        joined = await models.post(f"{path}/complete", json=upload | {"parts": [part]})
        assert joined.status_code == 422
