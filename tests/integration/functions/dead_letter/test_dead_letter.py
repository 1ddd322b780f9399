"""What a broker could not deliver lies in S3."""

import base64
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio

from common.settings import Storage
from common.storage.objects import Objects
from eventing.catalogue import EventType
from functions.dead_letter.app import create_app
from tests.asgi import serving
from tests.catalogue import keys, with_storage


@pytest_asyncio.fixture
async def client(environ: dict[str, str], storage: Storage) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(create_app(with_storage(environ, storage))) as opened:
        yield opened


def headers(event_id: str, type_: str = EventType.JOB_SUCCEEDED, **more: str) -> dict[str, str]:
    return {
        "ce-specversion": "1.0",
        "ce-id": event_id,
        "ce-source": "done",
        "ce-type": type_,
        "ce-subject": "a-job",
        "content-type": "application/json",
        **{f"ce-{name}": value for name, value in more.items()},
    }


def key_of(event_id: str) -> str:
    return f"dead-letters/{datetime.now(UTC).date().isoformat()}/{event_id}.json"


class TestDeadLetter:
    async def test_keeps_the_event_and_why_it_failed(
        self, client: httpx.AsyncClient, objects: Objects
    ) -> None:
        event_id = str(uuid4())
        sent = headers(event_id, sequence="4", knativeerrorcode="503", knativeerrordest="http://x")
        for _ in range(2):
            answer = await client.post("/", headers=sent, json={"jobId": "j"})
            assert (answer.status_code, answer.content) == (204, b"")
        letter = json.loads(await objects.get_bytes(key_of(event_id)))
        assert letter["data"] == {"jobId": "j"}
        attributes = letter["attributes"]
        assert (attributes["id"], attributes["subject"]) == (event_id, "a-job")
        assert (attributes["sequence"], attributes["knativeerrorcode"]) == ("4", "503")

    async def test_reads_structured_events_too(
        self, client: httpx.AsyncClient, objects: Objects
    ) -> None:
        event_id = str(uuid4())
        event = {"specversion": "1.0", "id": event_id, "source": "s", "type": "t", "data": [1]}
        kind = {"content-type": "application/cloudevents+json"}
        answer = await client.post("/", headers=kind, content=json.dumps(event))
        assert answer.status_code == 204
        assert json.loads(await objects.get_bytes(key_of(event_id)))["data"] == [1]

    @pytest.mark.parametrize(
        ("type_", "more"),
        [
            (EventType.SYNC_REQUESTED, {}),
            ("dev.knative.sources.ping", {"eventtype": EventType.SYNC_REQUESTED}),
        ],
    )
    async def test_drops_ticks(
        self, client: httpx.AsyncClient, objects: Objects, type_: str, more: dict[str, str]
    ) -> None:
        event_id = str(uuid4())
        answer = await client.post("/", headers=headers(event_id, type_, **more), json={})
        assert answer.status_code == 204
        assert await objects.head(key_of(event_id)) is None

    async def test_does_not_leave_its_folder(
        self, client: httpx.AsyncClient, objects: Objects
    ) -> None:
        before = await keys(objects, "jobs/")
        await client.post("/", headers=headers("../../jobs/1"), json={})
        assert await keys(objects, "jobs/") == before
        assert any("jobs-1.json" in key for key in await keys(objects, "dead-letters/"))

    @pytest.mark.parametrize("body", [b"no JSON", b"\xff\x00", b""])
    async def test_keeps_data_that_is_no_json(
        self, client: httpx.AsyncClient, objects: Objects, body: bytes
    ) -> None:
        event_id = str(uuid4())
        sent = headers(event_id) | {"content-type": "text/plain"}
        assert (await client.post("/", headers=sent, content=body)).status_code == 204
        kept = json.loads(await objects.get_bytes(key_of(event_id)))
        assert kept["data"] is None
        assert base64.b64decode(kept["dataBase64"] or "") == body

    async def test_refuses_what_is_no_event(self, client: httpx.AsyncClient) -> None:
        answer = await client.post("/", json={"id": "x"})
        assert (answer.status_code, answer.content) == (400, b"")

    async def test_asks_again_while_the_store_is_away(self, environ: dict[str, str]) -> None:
        async with serving(create_app(environ)) as client:
            answer = await client.post("/", headers=headers(str(uuid4())), json={})
        assert (answer.status_code, answer.content) == (503, b"")
