"""An administrator looks at dead letters and sends them again."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
import pytest_asyncio

from common.events import Event, to_http
from common.settings import Storage
from common.storage.objects import Objects
from common.tokens.user_token import Role
from functions.dead_letter.app import create_app
from tests.asgi import serving
from tests.catalogue import OTHER_PROJECT, bearer, with_storage
from tests.jobs import PROJECT

LETTERS = "/llm-ops/v1/admin/dead-letters"


class Broker:
    """Remembers what it was sent."""

    def __init__(self) -> None:
        self.answer = 202
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.address = ""


@pytest.fixture
def broker() -> Iterator[Broker]:
    made = Broker()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            made.got.append(({k.lower(): v for k, v in self.headers.items()}, body))
            self.send_response(made.answer)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    made.address = f"http://127.0.0.1:{server.server_port}/"
    yield made
    server.shutdown()
    server.server_close()
    thread.join()


@pytest_asyncio.fixture
async def client(
    environ: dict[str, str], storage: Storage, broker: Broker, objects: Objects
) -> AsyncIterator[httpx.AsyncClient]:
    await objects.delete_prefix("dead-letters/")
    settings = with_storage(environ, storage) | {"BROKER_URL": broker.address}
    async with serving(create_app(settings)) as opened:
        yield opened


def event_of(project: UUID | None = PROJECT, **fields: Any) -> Event:
    data = {"jobId": "j"} | ({"projectId": str(project)} if project else {})
    known = {"id": str(uuid4()), "source": "submit-job", "type": "dev.eventrain.job.submitted.v1"}
    return Event(**(known | {"subject": "a-job", "data": data} | fields))


async def bury(client: httpx.AsyncClient, event: Event) -> Event:
    """As the broker gives it up."""
    headers, body = to_http(event)
    failed = {"ce-knativeerrorcode": "503", "ce-knativeerrordest": "http://launch-job"}
    failed["ce-knativeerrordata"] = "YXdheQ=="
    answer = await client.post("/", headers=headers | failed, content=body)
    assert answer.status_code == 204
    return event


async def ask(client: httpx.AsyncClient, method: str, path: str = "", **roles: Role) -> Any:
    named: dict[UUID, Role] = {PROJECT: roles.get("here", "admin")}
    if "there" in roles:
        named = {OTHER_PROJECT: roles["there"]}
    return await client.request(method, f"{LETTERS}{path}", headers=bearer(named))


async def listed(client: httpx.AsyncClient, query: str = "", **roles: Role) -> Any:
    answer = await ask(client, "GET", query, **roles)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


class TestListing:
    async def test_shows_whom_the_broker_asked_and_what_that_one_said(
        self, client: httpx.AsyncClient
    ) -> None:
        event = await bury(client, event_of())
        (letter,) = (await listed(client))["deadLetters"]
        assert letter["eventId"] == event.id
        assert letter["failure"] == {
            "destination": "http://launch-job",
            "code": 503,
            "said": "away",
        }
        assert letter["projectId"] == str(PROJECT)
        assert letter["replayedAt"] is None

    async def test_goes_through_all_of_them_page_by_page(self, client: httpx.AsyncClient) -> None:
        sent = {(await bury(client, event_of())).id for _ in range(45)}
        seen: list[str] = []
        query = "?limit=7"
        while True:
            page = await listed(client, query)
            assert len(page["deadLetters"]) <= 7
            seen += [letter["eventId"] for letter in page["deadLetters"]]
            if page["nextCursor"] is None:
                break
            query = f"?limit=7&cursor={page['nextCursor']}"
        assert len(seen) == 45
        assert set(seen) == sent

    async def test_is_of_the_projects_that_the_caller_administers(
        self, client: httpx.AsyncClient
    ) -> None:
        mine = await bury(client, event_of())
        await bury(client, event_of(OTHER_PROJECT))
        stray = await bury(client, event_of(None))
        shown = (await listed(client))["deadLetters"]
        assert {letter["eventId"] for letter in shown} == {mine.id, stray.id}
        answer = await ask(client, "GET", here="member")
        assert answer.status_code == 403

    async def test_passes_over_what_is_no_letter(
        self, client: httpx.AsyncClient, objects: Objects
    ) -> None:
        for name, body in (("a", b"{"), ("b", b"[]"), ("c", b'{"attributes": {}}')):
            await objects.put_bytes(f"dead-letters/2026-01-01/{name}.json", body)
        assert (await listed(client))["deadLetters"] == []


class TestOne:
    async def test_is_shown_with_its_data(self, client: httpx.AsyncClient) -> None:
        event = await bury(client, event_of(extensions={"sequence": "4"}))
        (letter,) = (await listed(client))["deadLetters"]
        answer = await ask(client, "GET", f"/{letter['id']}")
        shown = answer.json()["data"]
        assert shown["data"] == event.data
        assert shown["attributes"]["sequence"] == "4"
        assert shown["key"].startswith("dead-letters/")

    async def test_keeps_its_data_to_itself_where_it_names_no_project(
        self, client: httpx.AsyncClient
    ) -> None:
        await bury(client, event_of(data=b"no JSON", content_type="text/plain"))
        (letter,) = (await listed(client))["deadLetters"]
        shown = (await ask(client, "GET", f"/{letter['id']}")).json()["data"]
        assert shown["data"] is None

    @pytest.mark.parametrize("below", ["", "/replay"])
    async def test_is_hidden_from_others_and_refused_to_who_is_no_admin(
        self, client: httpx.AsyncClient, broker: Broker, below: str
    ) -> None:
        await bury(client, event_of())
        (letter,) = (await listed(client))["deadLetters"]
        method = "POST" if below else "GET"
        for expected, roles in ((404, {"there": "admin"}), (403, {"here": "member"})):
            answer = await ask(client, method, f"/{letter['id']}{below}", **roles)
            assert answer.status_code == expected
        assert broker.got == []

    @pytest.mark.parametrize(
        "letter_id", ["x", "2026-01-01", "2026-13-01-a", "2026-01-01-..%2F..%2Fjobs", "2026-01-01-"]
    )
    async def test_is_not_found_by_a_name_that_is_none(
        self, client: httpx.AsyncClient, letter_id: str
    ) -> None:
        assert (await ask(client, "GET", f"/{letter_id}")).status_code == 404


class TestReplay:
    @pytest.mark.parametrize(
        "event",
        [
            event_of(extensions={"sequence": "1", "traceparent": "00-a"}),
            event_of(data=b"a,b\n1,2", content_type="text/csv"),
        ],
        ids=["JSON", "CSV"],
    )
    async def test_sends_the_event_as_it_was_with_its_id(
        self, client: httpx.AsyncClient, broker: Broker, event: Event
    ) -> None:
        await bury(client, event)
        (letter,) = (await listed(client))["deadLetters"]
        answer = await ask(client, "POST", f"/{letter['id']}/replay")
        assert answer.status_code == 200
        assert answer.json()["data"]["replayedAt"]
        ((headers, body),) = broker.got
        expected, data = to_http(event)
        assert {name: headers[name] for name in expected} == expected
        assert not [name for name in headers if "knativeerror" in name]
        assert body == data
        assert (await listed(client))["deadLetters"][0]["replayedAt"]

    async def test_leaves_the_letter_as_it_was_when_the_broker_refuses(
        self, client: httpx.AsyncClient, broker: Broker
    ) -> None:
        await bury(client, event_of())
        (letter,) = (await listed(client))["deadLetters"]
        broker.answer = 503
        answer = await ask(client, "POST", f"/{letter['id']}/replay")
        assert answer.status_code == 503
        assert answer.headers["retry-after"]
        assert (await listed(client))["deadLetters"] == [letter]

    async def test_waits_again_when_nobody_takes_it_again(self, client: httpx.AsyncClient) -> None:
        event = await bury(client, event_of())
        (letter,) = (await listed(client))["deadLetters"]
        await ask(client, "POST", f"/{letter['id']}/replay")
        await bury(client, event)
        shown = (await listed(client))["deadLetters"]
        assert shown[-1]["replayedAt"] is None

    async def test_can_be_asked_by_many_at_once(
        self, client: httpx.AsyncClient, broker: Broker
    ) -> None:
        await bury(client, event_of())
        (letter,) = (await listed(client))["deadLetters"]
        path = f"/{letter['id']}/replay"
        answers = await asyncio.gather(*(ask(client, "POST", path) for _ in range(5)))
        assert {answer.status_code for answer in answers} == {200}
        assert len({headers["ce-id"] for headers, _ in broker.got}) == 1

    async def test_says_so_when_the_store_is_away(self, environ: dict[str, str]) -> None:
        async with serving(create_app(environ)) as client:
            with contextlib.suppress(httpx.TransportError):
                answer = await ask(client, "GET")
                assert answer.status_code == 503
