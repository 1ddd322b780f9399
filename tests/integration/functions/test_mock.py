"""The mock that trainer authors get, held to the truth: the same calls to it and to the real callback
functions, on Postgres and S3, get the same answers."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from uuid import UUID, uuid4
from xml.etree import ElementTree

import asyncpg
import httpx
import pytest
import pytest_asyncio
from eventrain_trainer.mock import ControlPlane
from eventrain_trainer.mock.credential import Key

from common.jobs.state import Status, Trigger
from common.settings import Storage
from functions.done.app import create_app as create_done
from functions.event.app import create_app as create_event
from functions.heartbeat.app import create_app as create_heartbeat
from tests.asgi import serving
from tests.jobs import apply, intent_of, make_job
from tests.keys import OTHER_SECRET, SECRET, forged, job_token_for

WHEN = "2026-01-01T12:00:00Z"
BODIES: dict[str, Any] = {
    "heartbeat": {"sequence": 1, "epoch": 1, "metrics": {"loss": 0.5}},
    "event": {"type": "epoch_end", "payload": {"epoch": 1}, "occurredAt": WHEN},
    "addresses": {"puts": [{"name": "artifacts/model.bin", "size": 3}], "gets": []},
    "done": {"outcome": "succeeded"},
}


class World(Protocol):
    """One of the two: a job at its first attempt, and what may happen to it."""

    job_id: UUID

    async def post(self, path: str, content: bytes, headers: dict[str, str]) -> httpx.Response: ...

    async def send(self, method: str, url: str, content: bytes, **headers: str) -> httpx.Response:
        """To the bucket."""
        ...

    async def ask_to_stop(self) -> None: ...

    async def next_attempt(self) -> None: ...


@dataclass
class Real:
    job_id: UUID
    pool: asyncpg.Pool
    clients: dict[str, httpx.AsyncClient]
    bucket: httpx.AsyncClient

    async def post(self, path: str, content: bytes, headers: dict[str, str]) -> httpx.Response:
        what = path.rpartition("/")[2]
        client = self.clients.get("done" if what == "addresses" else what, self.clients["done"])
        return await client.post(path, content=content, headers=headers)

    async def send(self, method: str, url: str, content: bytes, **headers: str) -> httpx.Response:
        return await self.bucket.request(method, url, content=content, headers=headers)

    async def ask_to_stop(self) -> None:
        await apply(self.pool, intent_of(self.job_id, Trigger.CANCEL_ASKED))

    async def next_attempt(self) -> None:
        await apply(self.pool, intent_of(self.job_id, Trigger.FAILED_RETRYABLE))


@dataclass
class Mock:
    job_id: UUID
    plane: ControlPlane
    client: httpx.AsyncClient

    async def post(self, path: str, content: bytes, headers: dict[str, str]) -> httpx.Response:
        return await self.client.post(self.plane.url + path, content=content, headers=headers)

    async def send(self, method: str, url: str, content: bytes, **headers: str) -> httpx.Response:
        return await self.client.request(method, url, content=content, headers=headers)

    async def ask_to_stop(self) -> None:
        self.plane.ask_to_stop()

    async def next_attempt(self) -> None:
        self.plane.next_attempt()


@dataclass
class Trainer:
    """Speaks to one world, and notes what it was answered as far as both must agree."""

    world: World
    noted: list[Any] = field(default_factory=list[Any])

    async def say(
        self,
        what: str,
        body: Any = None,
        *,
        attempt: int = 1,
        token: str | None = "",
        headers: dict[str, str] | None = None,
    ) -> Any:
        """The answer's data; an empty token stands for a good one."""
        told = BODIES.get(what) if body is None else body
        content = told if isinstance(told, bytes) else json.dumps(told).encode()
        given = {"content-type": "application/json"} | (headers or {})
        if token is not None:
            good = job_token_for(self.world.job_id, attempt, datetime.now(UTC))
            given["authorization"] = f"Bearer {token or good}"
        path = f"/v1/jobs/{self.world.job_id}/{what}"
        answer = await self.world.post(path, content, given)
        self.noted.append(_seen(answer))
        return answer.json()["data"]

    async def transfer(self, method: str, url: str, content: bytes = b"", **headers: str) -> bytes:
        answer = await self.world.send(method, url, content, **headers)
        told = {name: name in answer.headers for name in ("etag", "content-range")}
        # The S3 server of the tests answers 200 to a range, S3 itself 206.
        partial = answer.status_code == 206
        self.noted.append((200 if partial else answer.status_code, told))
        return answer.content

    def prefix(self, attempt: int = 1) -> str:
        return f"s3://eventrain/jobs/{self.world.job_id}/{attempt}/"


def _seen(answer: httpx.Response) -> Any:
    """All of an answer but words, signatures and times."""
    body = answer.json()
    assert set(body) == {"status", "message", "data"}
    return answer.status_code, body["status"], _without_secrets(body["data"])


def _without_secrets(data: Any, name: str = "") -> Any:
    if name in ("token", "reason", "intervalSeconds", "partSize", "scope") or name.lower().endswith(
        "url"
    ):
        return type(data).__name__
    if isinstance(data, list):
        return [_without_secrets(item) for item in data]
    if not isinstance(data, dict):
        return data
    if "statusReason" in data:
        same = ("id", "status", "attempt", "retryCount", "maxRetries", "progress")
        return sorted(data), {key: data[key] for key in same}
    return {key: _without_secrets(value, key) for key, value in data.items()}


@pytest_asyncio.fixture
async def real(
    pool: asyncpg.Pool, environ: dict[str, str], storage: Storage
) -> AsyncIterator[Real]:
    reached = environ | {
        "S3_ENDPOINT_URL": storage.endpoint_url,
        "S3_PUBLIC_ENDPOINT_URL": storage.endpoint_url,
    }
    creates = {"heartbeat": create_heartbeat, "event": create_event, "done": create_done}
    async with AsyncExitStack() as stack:
        clients = {
            name: await stack.enter_async_context(serving(create(reached)))
            for name, create in creates.items()
        }
        bucket = await stack.enter_async_context(httpx.AsyncClient())
        yield Real(await make_job(pool, Status.QUEUED), pool, clients, bucket)


@pytest.fixture
def plane(real: Real) -> Iterator[ControlPlane]:
    with ControlPlane(key=Key(SECRET, "k2")) as plane:
        plane.job.id = str(real.job_id)
        yield plane


@pytest_asyncio.fixture
async def mock(real: Real, plane: ControlPlane) -> AsyncIterator[Mock]:
    async with httpx.AsyncClient() as client:
        yield Mock(real.job_id, plane, client)


async def same(real: Real, mock: Mock, scene: "Scene") -> list[Any]:
    """What both answered, once it is known to be the same."""
    truth, other = Trainer(real), Trainer(mock)
    await scene(truth)
    await scene(other)
    for number, (told, expected) in enumerate(zip(other.noted, truth.noted, strict=True)):
        assert told == expected, f"answer {number}"
    return truth.noted


Scene = Callable[[Trainer], Awaitable[None]]
SCENES: dict[str, Scene] = {}


def scene(play: Scene) -> Scene:
    SCENES[play.__name__] = play
    return play


@scene
async def a_whole_attempt(trainer: Trainer) -> None:
    await trainer.say("heartbeat", {"sequence": 1, "progress": 0.5, "points": []})
    await trainer.say("event")
    await trainer.say("addresses")
    await trainer.say("done")
    await trainer.say("done")
    await trainer.say("done", {"outcome": "failed"})
    await trainer.say("heartbeat", {"sequence": 2})
    await trainer.say("event")
    await trainer.say("addresses")


@scene
async def repeats_and_what_comes_out_of_order(trainer: Trainer) -> None:
    for sequence in (3, 1, 3):
        await trainer.say("heartbeat", {"sequence": sequence})
    named = {"ce-id": "7", "ce-source": "/t", "ce-type": "x", "ce-specversion": "1.0"}
    for event_id in ("7", "7", "8"):
        await trainer.say("event", headers=named | {"ce-id": event_id})
    wrapped = {"specversion": "1.0", "id": "7", "source": "/t", "type": "x"}
    structured = {"content-type": "application/cloudevents+json"}
    await trainer.say("event", wrapped | {"data": BODIES["event"]}, headers=structured)
    await trainer.say("event", wrapped, headers=structured)
    await trainer.say("event", headers=named | {"ce-id": "x" * 2000})
    await trainer.say("heartbeat", wrapped | {"data": BODIES["heartbeat"]}, headers=structured)


@scene
async def a_job_that_somebody_cancels(trainer: Trainer) -> None:
    await trainer.say("heartbeat")
    await trainer.world.ask_to_stop()
    await trainer.say("heartbeat", {"sequence": 2})
    await trainer.say("done", {"outcome": "failed", "errorClass": "transient"})
    await trainer.say("heartbeat", {"sequence": 3})


@scene
async def a_success_after_it_was_cancelled(trainer: Trainer) -> None:
    await trainer.say("heartbeat")
    await trainer.world.ask_to_stop()
    await trainer.say("done")


@scene
async def an_attempt_that_is_stale(trainer: Trainer) -> None:
    named = {"ce-id": "7", "ce-source": "/t", "ce-type": "x", "ce-specversion": "1.0"}
    await trainer.say("heartbeat")
    await trainer.say("event", headers=named)
    await trainer.world.next_attempt()
    for what in BODIES:
        await trainer.say(what)
    await trainer.say("event", headers=named)
    await trainer.say("heartbeat", attempt=2)
    await trainer.say("done", attempt=2)


@scene
async def a_failure_that_is_tried_again(trainer: Trainer) -> None:
    failed = {"outcome": "failed", "errorClass": "transient", "exitCode": 137, "message": "gone"}
    for attempt in (1, 2, 3, 4):
        await trainer.say("done", failed, attempt=attempt)
        await trainer.say("done", failed, attempt=attempt)
    await trainer.say("done", {"outcome": "succeeded"}, attempt=1)
    await trainer.say("heartbeat", attempt=3)
    await trainer.say("heartbeat", attempt=4)


@scene
async def failures_for_good(trainer: Trainer) -> None:
    await trainer.say("done", {"outcome": "failed", "errorClass": "user", "message": "no column"})
    await trainer.say("done", {"outcome": "succeeded"})


@scene
async def an_early_token(trainer: Trainer) -> None:
    now = datetime.now(UTC)
    for hours in (2, 4, 7):
        token = job_token_for(trainer.world.job_id, 1, now - timedelta(hours=hours))
        await trainer.say("heartbeat", {"sequence": hours}, token=token)


@scene
async def wrong_tokens(trainer: Trainer) -> None:
    job_id, now = trainer.world.job_id, datetime.now(UTC)
    for token in (
        None,
        "nonsense",
        "a.b.c",
        forged(job_id, now, secret=b"some other secret, long enough ......"),
        forged(job_id, now, secret=None, algorithm="none"),
        forged(job_id, now, secret=b"k" * 64, algorithm="HS512"),
        job_token_for(uuid4(), 1, now),
        forged(job_id, now, aud="eventrain-api"),
        forged(job_id, now, scope="anything"),
        forged(job_id, now, exp=None),
        forged(job_id, now, kid="k9"),
        forged(job_id, now, kid=None),
        forged(job_id, now, secret=OTHER_SECRET, kid="k2"),
        forged(job_id, now, attempt=0),
        forged(job_id, now, iat=int(now.timestamp()) + 600),
    ):
        for what in BODIES:
            await trainer.say(what, token=token)


@scene
async def checkpoints_and_artifacts(trainer: Trainer) -> None:
    good = {"name": "x", "uri": f"{trainer.prefix()}checkpoints/x", "sha256": "a" * 64, "size": 9}
    for change in (
        {},
        {"epoch": 3, "step": 4, "metrics": {"loss": "NaN"}},
        {"uri": "s3://eventrain/jobs/other/1/checkpoints/x"},
        {"uri": f"{trainer.prefix(2)}checkpoints/x"},
        {"uri": f"{trainer.prefix()}../2/x"},
        {"uri": "file:///x"},
        {"sha256": "short"},
        {"size": -1},
        {"name": None},
        {"epoch": 2**70},
    ):
        body = {"type": "checkpoint_saved", "payload": good | change, "occurredAt": WHEN}
        await trainer.say("event", body)
    other = {"name": "b", "uri": f"{trainer.prefix(2)}artifacts/a"}
    mine = {"name": "a", "uri": f"{trainer.prefix()}artifacts/a", "size": 3}
    await trainer.say("done", {"outcome": "succeeded", "artifacts": [mine, other]})
    await trainer.say("done", {"outcome": "succeeded", "artifacts": [mine]})


@scene
async def addresses_of_all_kinds(trainer: Trainer) -> None:
    large = {"name": "checkpoints/large", "size": (64 << 20) + 1}
    await trainer.say(
        "addresses",
        {
            "puts": [
                {"name": "artifacts/model.bin", "size": 64 << 20, "sha256": "a" * 64},
                large,
                large | {"uploadId": "u"},
            ],
            "gets": ["artifacts/model.bin", f"{trainer.prefix()}artifacts/"],
        },
    )
    await trainer.say("addresses", {})
    for puts in (
        [{"name": "../2/x", "size": 1}],
        [{"name": "result.json", "size": 1}],
        [{"name": "artifacts//x", "size": 1}],
        [{"name": "artifacts/\u202e", "size": 1}],
        [{"name": "artifacts/x", "size": -1}],
        [{"name": "artifacts/x"}],
        [{"name": "artifacts/x", "size": 1}] * 101,
    ):
        await trainer.say("addresses", {"puts": puts})
    for get in ("s3://eventrain/jobs/other/1/a", "s3://secrets/x", "../1/x", "http://x/y", ""):
        await trainer.say("addresses", {"gets": [get]})


@scene
async def a_checkpoint_of_an_earlier_attempt(trainer: Trainer) -> None:
    uri = f"{trainer.prefix()}checkpoints/x"
    payload = {"name": "x", "uri": uri, "sha256": "a" * 64, "size": 9}
    body = {"type": "checkpoint_saved", "payload": payload, "occurredAt": WHEN}
    await trainer.say("event", body)
    await trainer.world.next_attempt()
    await trainer.say("addresses", {"gets": [uri]}, attempt=2)
    await trainer.say("addresses", {"gets": [f"{trainer.prefix()}artifacts/x"]}, attempt=2)


@scene
async def an_object_there_and_back(trainer: Trainer) -> None:
    data = await trainer.say("addresses")
    await trainer.transfer("PUT", data["puts"][0]["url"], b"0123456789")
    await trainer.transfer("PUT", data["puts"][0]["url"][:-4] + "0000", b"forged")
    wanted = {"gets": ["artifacts/model.bin", "artifacts/none", f"{trainer.prefix()}artifacts/"]}
    one, none, folder = (await trainer.say("addresses", wanted))["gets"]
    trainer.noted += [await trainer.transfer("GET", one["url"])]
    trainer.noted += [await trainer.transfer("GET", one["url"], Range="bytes=2-4")]
    trainer.noted += [await trainer.transfer("GET", one["url"], Range="bytes=8-")]
    await trainer.transfer("GET", none["url"])
    trainer.noted += [_texts(await trainer.transfer("GET", folder["listUrl"]), "Key", "Size")]


@scene
async def an_object_in_parts(trainer: Trainer) -> None:
    wanted = {"name": "artifacts/large", "size": (64 << 20) + 1}
    begun = (await trainer.say("addresses", {"puts": [wanted]}))["puts"][0]
    told = await trainer.transfer("POST", begun["createUrl"])
    (upload,) = _texts(told, "UploadId")
    parts = {"puts": [wanted | {"uploadId": upload}]}
    put = (await trainer.say("addresses", parts))["puts"][0]
    sent = await trainer.world.send("PUT", put["parts"][0]["url"], b"all there is")
    tag = sent.headers["etag"]
    listed = f"<Part><PartNumber>1</PartNumber><ETag>{tag}</ETag></Part>"
    whole = f"<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>".encode()
    await trainer.transfer("POST", put["completeUrl"], whole)
    (got,) = (await trainer.say("addresses", {"gets": ["artifacts/large"]}))["gets"]
    trainer.noted += [await trainer.transfer("GET", got["url"])]


def _texts(xml: bytes, *tags: str) -> list[str]:
    root = ElementTree.fromstring(xml)
    return [found.text or "" for found in root.iter() if found.tag.rpartition("}")[2] in tags]


BAD: dict[str, list[bytes]] = {
    "heartbeat": [
        b"{",
        b"",
        b"\xff\xfe",
        b'{"sequence": 1, "message": "\\ud800"}',
        b"[]",
        b"null",
        b"{}",
        b'{"sequence": true}',
        b'{"sequence": "1"}',
        b'{"sequence": -1}',
        b'{"sequence": 99999999999999999999}',
        b'{"sequence": 1, "progress": 2}',
        b'{"sequence": 1, "epoch": -1}',
        b'{"sequence": 1, "epoch": 1.5, "step": null}',
        b'{"sequence": 1, "metrics": {"loss": "high"}}',
        b'{"sequence": 1, "metrics": {"loss": "NaN"}, "nobody": ["knows"]}',
        b'{"sequence": 1, "metrics": {"loss": NaN}}',
        b'{"sequence": 1, "metrics": {"loss": 1e999}}',
        b'{"sequence": 1, "metrics": {"loss": null}}',
        b'{"sequence": 1, "metrics": {"": 1}}',
        b'{"sequence": 1, "metrics": null}',
        b'{"sequence": 1, "message": "\\u0000"}',
        b'{"sequence": 1, "points": [{"name": "x"}]}',
        b'{"sequence": 1, "points": [{"name": "x", "value": 1, "step": -1}]}',
        b'{"sequence": 1, "points": [%b]}' % b",".join([b'{"name": "x", "value": 1}'] * 1001),
        b'{"sequence": 1, "message": "' + b"x" * 11_000 + b'"}',
        b'{"sequence": 1, "message": "' + b"x" * 2_000_000 + b'"}',
    ],
    "event": [
        b"{}",
        b'{"type": "log"}',
        b'{"type": "Not A Kind", "occurredAt": "2026-01-01T12:00:00Z"}',
        b'{"type": "log", "occurredAt": "2026-01-01T12:00:00"}',
        b'{"type": "log", "occurredAt": "yesterday"}',
        b'{"type": "log", "occurredAt": "0001-01-01T00:00:00+14:00"}',
        b'{"type": "log", "occurredAt": 5}',
        b'{"type": "log", "occurredAt": "2026-01-01T12:00:00Z", "payload": []}',
        b'{"type": "log", "occurredAt": "2026-01-01T12:00:00Z"}',
    ],
    "done": [
        b"{}",
        b'{"outcome": "won"}',
        b'{"outcome": "failed", "errorClass": "fatal"}',
        b'{"outcome": "failed", "exitCode": 99999999999}',
        b'{"outcome": "failed", "message": "%b"}' % (b"x" * 11_000),
        b'{"outcome": "failed", "artifacts": [{"name": "x"}]}',
        b'{"outcome": "failed", "artifacts": [{"name": "x", "uri": "x", "sha256": "y"}]}',
        b'{"outcome": "failed", "artifacts": [{"name": "x", "uri": "nonsense"}]}',
    ],
    "addresses": [b"[]", b'{"puts": {}}', b'{"gets": [5]}', b'{"puts": [{"size": 1}]}'],
}


class TestTheMockAnswersAsTheFunctions:
    @pytest.mark.parametrize("name", list(SCENES))
    async def test_in(self, real: Real, mock: Mock, name: str) -> None:
        assert await same(real, mock, SCENES[name])

    @pytest.mark.parametrize("what", list(BAD))
    async def test_to_bad(self, real: Real, mock: Mock, what: str) -> None:
        async def tell_each(trainer: Trainer) -> None:
            for body in BAD[what]:
                await trainer.say(what, body)

        await same(real, mock, tell_each)

    async def test_where_there_is_nothing(self, real: Real, mock: Mock) -> None:
        async def ask(trainer: Trainer) -> None:
            await trainer.say("nothing", {})

        assert await same(real, mock, ask) == [
            (404, "fail", {"code": "NOT_FOUND", "errors": []}),
        ]

    async def test_to_many_at_once(self, real: Real, mock: Mock) -> None:
        async def tell_at_once(trainer: Trainer) -> None:
            named = {"ce-id": "7", "ce-source": "/t", "ce-type": "x", "ce-specversion": "1.0"}
            await asyncio.gather(*(trainer.say("event", headers=named) for _ in range(8)))

        noted = await same(real, mock, tell_at_once)
        assert noted == [(200, "success", {"sequence": 1})] * 8
