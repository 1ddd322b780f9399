"""What is about to be deleted, as administrators see it."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import asyncpg
import httpx
import pytest_asyncio

from common.settings import Storage
from common.storage import address
from common.storage.objects import Objects
from functions.retention.app import create_app
from tests.catalogue import bearer, caller, with_storage
from tests.jobs import PROJECT

RETENTION = "/llm-ops/v1/admin/retention"


@pytest_asyncio.fixture
async def client(environ: dict[str, str], storage: Storage) -> AsyncIterator[httpx.AsyncClient]:
    async with caller(create_app(with_storage(environ, storage))) as opened:
        yield opened


class TestRetention:
    async def test_counts_what_is_too_old_and_deletes_nothing(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool, objects: Objects
    ) -> None:
        long_ago = datetime.now(UTC) - timedelta(days=200)
        await pool.execute(
            "insert into idempotency_keys values ($1, 'ada', 'k', 'd', $1, $2)", PROJECT, long_ago
        )
        key = address.dead_letter_key(long_ago.date(), "letter")
        await objects.put_bytes(key, b"{}")
        for _ in range(2):
            answer = await client.get(RETENTION)
            assert answer.status_code == 200, answer.text
            kinds = {kind["kind"]: kind for kind in answer.json()["data"]["kinds"]}
            assert kinds["idempotency keys"]["rows"] == 1
            assert kinds["dead letters"]["objects"] == 1
            assert kinds["dead letters"]["bytes"] == 2
            assert (kinds["pod logs"]["objects"], kinds["pod logs"]["bytes"]) == (0, None)
        assert await objects.head(key)
        await objects.delete(key)

    async def test_is_for_who_administers(self, client: httpx.AsyncClient) -> None:
        answer = await client.get(RETENTION, headers=bearer({PROJECT: "member"}))
        assert answer.status_code == 403
