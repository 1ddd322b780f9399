"""Code comes in by parts, once, and lies only where its digest says."""

import hashlib
import os
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest_asyncio

from common.settings import Storage
from common.storage.objects import Objects
from functions.sources.app import COMPLETE, PATH, create_app
from tests.catalogue import caller, keys, with_storage
from tests.jobs import PROJECT

PREFIX = f"projects/{PROJECT}/sources/"


@pytest_asyncio.fixture
async def client(environ: dict[str, str], storage: Storage) -> AsyncIterator[httpx.AsyncClient]:
    async with caller(create_app(with_storage(environ, storage))) as opened:
        yield opened


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


async def begin(client: httpx.AsyncClient, digest: str, size: int) -> dict[str, Any]:
    answer = await client.post(PATH, json={"digest": digest, "size": size})
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


async def put(upload: dict[str, Any], content: bytes) -> dict[str, Any]:
    """The parts of the content; what `complete` takes beside the digest."""
    done: list[dict[str, Any]] = []
    async with httpx.AsyncClient() as outside:
        for number, part in enumerate(upload["parts"]):
            piece = content[number * upload["partSize"] : (number + 1) * upload["partSize"]]
            answer = await outside.put(part["url"], content=piece)
            assert answer.status_code == 200, answer.text
            done.append({"partNumber": part["partNumber"], "etag": answer.headers["etag"]})
    return {"name": upload["name"], "uploadId": upload["uploadId"], "parts": done}


async def finish(client: httpx.AsyncClient, digest: str, sent: dict[str, Any]) -> httpx.Response:
    return await client.post(COMPLETE, json={"digest": digest, **sent})


class TestBringing:
    async def test_keeps_code_by_its_digest(
        self, client: httpx.AsyncClient, objects: Objects
    ) -> None:
        content = os.urandom((16 << 20) + 5)
        begun = await begin(client, digest_of(content), len(content))
        assert len(begun["upload"]["parts"]) == 2
        answer = await finish(client, begun["digest"], await put(begun["upload"], content))

        assert answer.status_code == 200, answer.text
        kept = answer.json()["data"]
        key = f"{PREFIX}{hashlib.sha256(content).hexdigest()}.tar.gz"
        assert kept == {
            "uri": f"s3://eventrain/{key}",
            "digest": digest_of(content),
            "upload": None,
        }
        assert await objects.sha256(key) == hashlib.sha256(content).hexdigest()
        assert not await keys(objects, f"{PREFIX}incoming/")

    async def test_asks_for_no_upload_of_what_is_there(self, client: httpx.AsyncClient) -> None:
        content = os.urandom(100)
        begun = await begin(client, digest_of(content), 100)
        sent = await put(begun["upload"], content)
        await finish(client, begun["digest"], sent)

        again = await begin(client, digest_of(content), 100)
        repeated = await finish(client, begun["digest"], sent)

        assert again == {"uri": begun["uri"], "digest": begun["digest"], "upload": None}
        assert repeated.json()["data"] == again

    async def test_refuses_what_is_not_what_it_was_said_to_be(
        self, client: httpx.AsyncClient, objects: Objects
    ) -> None:
        promised = digest_of(os.urandom(10))
        begun = await begin(client, promised, 10)
        answer = await finish(client, promised, await put(begun["upload"], b"something!"))

        assert answer.status_code == 422
        assert [each["field"] for each in answer.json()["data"]["errors"]] == ["digest"]
        left = await keys(objects, PREFIX)
        assert not [key for key in left if "incoming" in key or promised[7:] in key]
        assert (await begin(client, promised, 10))["upload"]

    async def test_refuses_what_is_too_large_by_field(self, client: httpx.AsyncClient) -> None:
        wanted = {"digest": digest_of(b""), "size": (100 << 20) + 1}
        answer = await client.post(PATH, json=wanted)

        assert answer.status_code == 422
        assert [each["field"] for each in answer.json()["data"]["errors"]] == ["size"]
