"""The catalog of datasets on a real Postgres and a real S3 server."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
import pytest_asyncio

from common.jobs.state import Status
from common.settings import Storage
from common.storage.objects import Objects
from functions.datasets.app import create_app
from tests.catalogue import OTHER_PROJECT, bearer, caller, keys, with_storage
from tests.jobs import PROJECT, make_job

PATH = "/llm-ops/v1/catalog/datasets"
CONTRACT = {
    *("id", "name", "version", "storage_uri", "owner_team", "pii_scan_status", "quality_score"),
    *("change_log", "approved_at", "type", "created_at", "updated_at"),
}
VIEWER = bearer({PROJECT: "viewer"})
MEMBER = bearer({PROJECT: "member"})
STRANGER = bearer({OTHER_PROJECT: "admin"})


@pytest_asyncio.fixture
async def client(environ: dict[str, str], storage: Storage) -> AsyncIterator[httpx.AsyncClient]:
    async with caller(create_app(with_storage(environ, storage))) as opened:
        yield opened


async def make(client: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    answer = await client.post(PATH, json={"name": f"digits-{uuid4().hex[:6]}"} | fields)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


async def upload(
    client: httpx.AsyncClient, dataset: dict[str, Any], *files: tuple[str, bytes]
) -> httpx.Response:
    parts = [("files", file) for file in files]
    return await client.post(f"{PATH}/{dataset['id']}/upload", files=parts)


class TestDatasets:
    async def test_are_created_shown_and_listed(self, client: httpx.AsyncClient) -> None:
        made = await make(client, type="sft_pair", owner_team="vision")
        assert made.keys() >= CONTRACT
        assert (made["version"], made["storage_uri"], made["files"]) == ("1", None, [])
        assert (await client.get(f"{PATH}/{made['id']}")).json()["data"] == made
        assert (await client.get(PATH)).json()["data"] == [made]

    async def test_are_listed_newest_first_in_pages(self, client: httpx.AsyncClient) -> None:
        made = [(await make(client))["id"] for _ in range(5)]
        first = await client.get(PATH, params={"limit": 3})
        cursor = first.headers["x-next-cursor"]
        second = await client.get(PATH, params={"limit": 3, "cursor": cursor})
        assert "x-next-cursor" not in second.headers
        seen = [row["id"] for row in first.json()["data"] + second.json()["data"]]
        assert seen == made[::-1]

    async def test_have_one_name_and_version_a_project(self, client: httpx.AsyncClient) -> None:
        await make(client, name="same")
        again = await client.post(PATH, json={"name": "same"})
        assert again.status_code == 409
        assert (await make(client, name="same", version="2"))["version"] == "2"

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({}, "name"),
            ({"name": ""}, "name"),
            ({"name": "a\u0000b"}, "name"),
            ({"name": "d", "type": "tabular"}, "type"),
            ({"name": "d", "quality_score": 2}, "quality_score"),
            ({"name": "d", "storage_uri": "s3://elsewhere/data/"}, "storage_uri"),
            ({"name": "d", "storage_uri": "s3://eventrain/jobs/1/1/"}, "storage_uri"),
        ],
    )
    async def test_are_refused_by_field(
        self, client: httpx.AsyncClient, body: dict[str, Any], field: str
    ) -> None:
        answer = await client.post(PATH, json=body)
        assert answer.status_code == 422
        assert [each["field"] for each in answer.json()["data"]["errors"]] == [field]

    async def test_may_lie_in_the_projects_own_place(self, client: httpx.AsyncClient) -> None:
        uri = f"s3://eventrain/projects/{PROJECT}/data/"
        made = await make(client, storage_uri=uri)
        assert made["storage_uri"] == uri
        assert (await upload(client, made, ("a.csv", b"1"))).status_code == 409

    async def test_need_a_project_where_the_token_has_several(
        self, client: httpx.AsyncClient
    ) -> None:
        several = bearer({PROJECT: "member", OTHER_PROJECT: "member"})
        answer = await client.post(PATH, json={"name": "d"}, headers=several)
        assert answer.status_code == 422
        body = {"name": "d", "project_id": str(OTHER_PROJECT)}
        made = (await client.post(PATH, json=body, headers=several)).json()["data"]
        assert made["project_id"] == str(OTHER_PROJECT)
        assert (await client.get(PATH)).json()["data"] == []


class TestAccess:
    async def test_is_by_role_and_project(self, client: httpx.AsyncClient) -> None:
        made = await make(client)
        path = f"{PATH}/{made['id']}"
        del client.headers["authorization"]
        assert (await client.get(path)).status_code == 401
        assert (await client.get(path, headers=STRANGER)).status_code == 404
        assert (await client.delete(path, headers=STRANGER)).status_code == 404
        assert (await client.get(path, headers=VIEWER)).status_code == 200
        files = {"files": ("a.csv", b"1")}
        refused = await client.post(f"{path}/upload", files=files, headers=VIEWER)
        assert refused.status_code == 403
        assert (await client.post(PATH, json={"name": "d"}, headers=VIEWER)).status_code == 403
        assert (await client.delete(path, headers=MEMBER)).status_code == 403
        assert (await client.get(f"{PATH}/{uuid4()}", headers=VIEWER)).status_code == 404
        assert (await client.get(f"{PATH}/no-id", headers=VIEWER)).status_code == 404


class TestUpload:
    async def test_stores_every_file_of_the_form(
        self, client: httpx.AsyncClient, objects: Objects
    ) -> None:
        made = await make(client)
        large = bytes(range(256)) * (1 << 16) + b"end"
        answer = await upload(client, made, ("b.bin", large), ("a.csv", b"x,y\n1,2\n"))
        assert answer.status_code == 200, answer.text
        shown = answer.json()["data"]
        assert shown["storage_uri"] == f"s3://eventrain/datasets/{made['id']}/"
        assert [(each["name"], each["size"]) for each in shown["files"]] == [
            ("a.csv", 8),
            ("b.bin", len(large)),
        ]
        key = f"datasets/{made['id']}/b.bin"
        assert await objects.get_bytes(key, limit=len(large)) == large

    async def test_appends_and_replaces(self, client: httpx.AsyncClient, objects: Objects) -> None:
        made = await make(client)
        await upload(client, made, ("a", b"1"), ("b", b"2"))
        shown = (await upload(client, made, ("b", b"22"), ("c", b"3"))).json()["data"]
        assert [(each["name"], each["size"]) for each in shown["files"]] == [
            ("a", 1),
            ("b", 2),
            ("c", 1),
        ]
        assert await objects.get_bytes(f"datasets/{made['id']}/b") == b"22"

    @pytest.mark.parametrize("name", ["../up", "a/b", ".", "a\\b", "n" * 300, ""])
    async def test_refuses_a_name_that_leaves_its_place(
        self, client: httpx.AsyncClient, name: str, objects: Objects
    ) -> None:
        made = await make(client)
        form = (
            f'--b\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'
            "x\r\n--b--\r\n"
        )
        answer = await post_form(client, made, form.encode())
        assert answer.status_code == 422, answer.text
        assert await keys(objects, f"datasets/{made['id']}/") == []

    async def test_refuses_an_empty_file(self, client: httpx.AsyncClient) -> None:
        answer = await upload(client, await make(client), ("a.csv", b""))
        assert answer.status_code == 422

    @pytest.mark.parametrize(
        ("form", "status"),
        [
            (b"", 400),
            (b"no form at all", 400),
            (b"--b--\r\n", 422),
            (b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\ny\r\n--b--\r\n', 422),
            (b'--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\ncut', 400),
        ],
    )
    async def test_refuses_what_is_no_whole_form(
        self, client: httpx.AsyncClient, form: bytes, status: int
    ) -> None:
        made = await make(client)
        assert (await post_form(client, made, form)).status_code == status
        assert (await client.get(f"{PATH}/{made['id']}")).json()["data"]["files"] == []

    async def test_refuses_another_content_type(self, client: httpx.AsyncClient) -> None:
        made = await make(client)
        answer = await client.post(f"{PATH}/{made['id']}/upload", json={"files": []})
        assert answer.status_code == 400

    async def test_goes_by_presigned_parts(
        self, client: httpx.AsyncClient, objects: Objects
    ) -> None:
        made = await make(client)
        size = (16 << 20) + 5
        wanted = {"name": "large.bin", "size": size}
        begun = (await client.post(f"{PATH}/{made['id']}/uploads", json=wanted)).json()["data"]
        content = b"z" * size
        parts: list[dict[str, Any]] = []
        async with httpx.AsyncClient() as s3:
            for part in begun["parts"]:
                start = (part["part_number"] - 1) * begun["part_size"]
                piece = content[start : start + begun["part_size"]]
                put = await s3.put(part["url"], content=piece)
                parts.append({"part_number": part["part_number"], "etag": put.headers["etag"]})
        done = {"name": "large.bin", "upload_id": begun["upload_id"], "parts": parts}
        for _ in range(2):
            answer = await client.post(begun["complete_url"], json=done)
            assert answer.status_code == 200, answer.text
        assert answer.json()["data"]["files"] == [
            {"name": "large.bin", "size": size, "sha256": None}
        ]
        found = await objects.head(f"datasets/{made['id']}/large.bin")
        assert found
        assert found.size == size

    async def test_refuses_to_join_parts_that_are_not_there(
        self, client: httpx.AsyncClient
    ) -> None:
        made = await make(client)
        done = {"name": "x", "upload_id": "none", "parts": [{"part_number": 1, "etag": "e"}]}
        answer = await client.post(f"{PATH}/{made['id']}/uploads/complete", json=done)
        assert answer.status_code == 422


class TestPreview:
    async def test_shows_the_first_rows(self, client: httpx.AsyncClient) -> None:
        made = await make(client)
        rows = b"x,y\n" + b"".join(b"%d,%d\n" % (n, n) for n in range(100_000))
        await upload(client, made, ("t.csv", rows), ("z.jsonl", b'{"a": 1}\n{"a": 2}\n'))
        path = f"{PATH}/{made['id']}/preview"
        shown = (await client.get(path, params={"limit": 2})).json()["data"]
        assert shown["columns"] == ["x", "y"]
        assert shown["rows"] == [["0", "0"], ["1", "1"]]
        assert shown["truncated"] is True
        shown = (await client.get(path, params={"file": "z.jsonl"})).json()["data"]
        assert shown["rows"] == [{"a": 1}, {"a": 2}]
        assert shown["truncated"] is False

    async def test_says_that_there_is_nothing(self, client: httpx.AsyncClient) -> None:
        made = await make(client)
        assert (await client.get(f"{PATH}/{made['id']}/preview")).status_code == 404


class TestDelete:
    async def test_takes_the_files_along(self, client: httpx.AsyncClient, objects: Objects) -> None:
        made = await make(client)
        await upload(client, made, ("a", b"1"))
        assert (await client.delete(f"{PATH}/{made['id']}")).status_code == 200
        assert await keys(objects, f"datasets/{made['id']}/") == []
        assert (await client.get(f"{PATH}/{made['id']}")).status_code == 404

    @pytest.mark.parametrize(
        ("status", "answer"),
        [(Status.PENDING, 409), (Status.RUNNING, 409), (Status.SUCCEEDED, 200)],
    )
    async def test_waits_for_the_jobs_that_use_it(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool, status: Status, answer: int
    ) -> None:
        made = await make(client)
        await make_job(pool, status, dataset_id=made["id"])
        assert (await client.delete(f"{PATH}/{made['id']}")).status_code == answer
        if answer == 409:
            assert (await upload(client, made, ("a", b"1"))).status_code == 409

    async def test_leaves_nothing_of_an_upload_that_it_overtook(
        self, client: httpx.AsyncClient, objects: Objects
    ) -> None:
        made = await make(client)
        path = f"{PATH}/{made['id']}"

        async def slow_form() -> AsyncIterator[bytes]:
            yield b'--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n'
            assert (await client.delete(path)).status_code == 200
            yield b"content\r\n--b--\r\n"

        kind = {"content-type": "multipart/form-data; boundary=b"}
        answer = await client.post(f"{path}/upload", content=slow_form(), headers=kind)
        assert answer.status_code == 404
        assert await keys(objects, f"datasets/{made['id']}/") == []


async def post_form(
    client: httpx.AsyncClient, dataset: dict[str, Any], form: bytes
) -> httpx.Response:
    return await client.post(
        f"{PATH}/{dataset['id']}/upload",
        content=form,
        headers={"content-type": "multipart/form-data; boundary=b"},
    )


async def test_a_place_may_lie_in_a_bucket_that_is_allowed_to_everyone(
    environ: dict[str, str], storage: Storage, tmp_path: Path
) -> None:
    shipped = (Path(environ["CONFIG_DIR"]) / "trainers.yaml").read_text(encoding="utf-8")
    (tmp_path / "trainers.yaml").write_text(f"{shipped}\nallowedBuckets: [shared-data]\n")
    allowing = with_storage(environ, storage) | {"CONFIG_DIR": str(tmp_path)}
    async with caller(create_app(allowing)) as client:
        for bucket, status in (("shared-data", 200), ("elsewhere", 422)):
            wanted = {"name": uuid4().hex, "storage_uri": f"s3://{bucket}/corpus/"}
            assert (await client.post(PATH, json=wanted)).status_code == status
