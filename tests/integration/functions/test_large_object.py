"""Rules 8 and 11: a large object goes to S3 in parts by addresses of `/addresses`, and by no
other way. The S3 server checks every signature."""

import hashlib
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
import pytest_asyncio

from common.jobs.state import Status, Trigger
from common.settings import Storage
from common.storage.objects import Objects
from functions.done.app import create_app
from tests.asgi import serving
from tests.catalogue import with_storage
from tests.jobs import apply, intent_of, make_job
from tests.keys import job_token_for

NAME = "checkpoints/large.bin"
SIZE = (64 << 20) + 5


class Trainer:
    """Knows its token and what it is told."""

    def __init__(self, function: httpx.AsyncClient, s3: httpx.AsyncClient) -> None:
        self._function = function
        self.s3 = s3

    async def ask(self, job_id: UUID, body: Any, attempt: int = 1) -> httpx.Response:
        token = job_token_for(job_id, attempt, datetime.now(UTC))
        path, headers = f"/v1/jobs/{job_id}/addresses", {"authorization": f"Bearer {token}"}
        return await self._function.post(path, json=body, headers=headers)

    async def put(self, job_id: UUID, **put: Any) -> dict[str, Any]:
        answer = await self.ask(job_id, {"puts": [put]})
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]["puts"][0]

    async def begin(self, job_id: UUID) -> dict[str, Any]:
        """The addresses of the parts."""
        begun = await self.put(job_id, name=NAME, size=SIZE)
        answer = await self.s3.post(begun["createUrl"])
        found = re.search("<UploadId>([^<]+)</UploadId>", answer.text)
        assert found, answer.text
        return await self.put(job_id, name=NAME, size=SIZE, uploadId=found[1])


@pytest_asyncio.fixture
async def trainer(environ: dict[str, str], storage: Storage) -> AsyncIterator[Trainer]:
    async with (
        serving(create_app(with_storage(environ, storage))) as function,
        httpx.AsyncClient(timeout=60, trust_env=False) as s3,
    ):
        yield Trainer(function, s3)


class TestALargeObject:
    async def test_arrives_whole_in_parts(
        self, pool: asyncpg.Pool, objects: Objects, trainer: Trainer
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        content = hashlib.sha256(b"seed").digest() * (SIZE // 32) + b"tail."
        told = await trainer.begin(job_id)
        tags: list[str] = []
        for part in told["parts"]:
            start = (part["partNumber"] - 1) * told["partSize"]
            answer = await trainer.s3.put(
                part["url"], content=content[start : start + told["partSize"]]
            )
            assert answer.status_code == 200
            tags.append(answer.headers["etag"])

        joined = await trainer.s3.post(told["completeUrl"], content=_manifest(tags))

        assert joined.status_code == 200, joined.text
        got = await trainer.ask(job_id, {"gets": [NAME]})
        found = await trainer.s3.get(got.json()["data"]["gets"][0]["url"])
        assert hashlib.sha256(found.content).digest() == hashlib.sha256(content).digest()
        head = await objects.head(f"jobs/{job_id}/1/{NAME}")
        assert head is not None
        assert head.size == SIZE

    async def test_is_given_up_by_its_own_address(
        self, pool: asyncpg.Pool, trainer: Trainer
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        told = await trainer.begin(job_id)

        assert (await trainer.s3.delete(told["abortUrl"])).status_code == 204
        joined = await trainer.s3.post(told["completeUrl"], content=_manifest(['"x"']))
        assert joined.status_code == 404


class TestAnAddress:
    @pytest.mark.parametrize(
        ("part", "other"),
        [
            ("/1/artifacts/", "/2/artifacts/"),
            ("/1/artifacts/model", "/1/artifacts/other"),
            ("/1/artifacts/model", "/1/result.json"),
            ("jobs/", "models/"),
        ],
    )
    async def test_opens_nothing_but_its_own_key(
        self, pool: asyncpg.Pool, trainer: Trainer, part: str, other: str
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        url = (await trainer.put(job_id, name="artifacts/model", size=1))["url"]
        assert part in url

        refused = await trainer.s3.put(url.replace(part, other, 1), content=b"x")

        assert refused.status_code == 403
        assert (await trainer.s3.put(url, content=b"x")).status_code == 200

    async def test_is_not_given_for_another_attempts_objects(
        self, pool: asyncpg.Pool, trainer: Trainer
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        await apply(pool, intent_of(job_id, Trigger.FAILED_RETRYABLE))
        earlier = f"s3://eventrain/jobs/{job_id}/1/artifacts/model"

        old = await trainer.ask(job_id, {"puts": [{"name": "artifacts/m", "size": 1}]})
        new = await trainer.ask(job_id, {"gets": [earlier]}, attempt=2)

        assert (old.status_code, new.status_code) == (409, 422)

    async def test_lasts_an_hour_at_most(self, pool: asyncpg.Pool, trainer: Trainer) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        told = await trainer.begin(job_id)
        urls = [told["completeUrl"], told["abortUrl"], *(part["url"] for part in told["parts"])]

        assert {httpx.URL(url).params["X-Amz-Expires"] for url in urls} == {"3600"}


def _manifest(tags: list[str]) -> str:
    parts = [
        f"<Part><PartNumber>{number}</PartNumber><ETag>{tag}</ETag></Part>"
        for number, tag in enumerate(tags, 1)
    ]
    return f"<CompleteMultipartUpload>{''.join(parts)}</CompleteMultipartUpload>"
