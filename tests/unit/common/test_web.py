import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import httpx
import pytest
from fastapi import Form, UploadFile

from common import errors, events, web
from common.tokens import user_token
from common.tokens.keyring import Key, KeyRing

KEY = Key("k1", b"s" * 32)
RING = KeyRing(KEY, {"k1": KEY})
PROJECT = "5b0f3b43-8c26-4b2d-9f0c-9d2a6f1d1c11"


class Profile(web.Body):
    gpu_count: int


class Wanted(web.Body):
    name: str
    resource_profile: Profile | None = None
    model_id: web.Id | None = None


class Shown(web.Body):
    name: str


def things() -> Any:
    router = web.router(prefix="/things", body_limit=1000)

    @router.get("/{thing_id}", response_model=web.Success[Shown])
    async def read(thing_id: web.Id, caller: web.Caller, limit: int = 10) -> Any:
        return web.ok({"name": caller.subject, "limit": limit})

    @router.delete("/{thing_id}")
    async def delete(thing_id: web.Id) -> Any:
        raise errors.Conflict("It is in use.")

    @router.post("")
    async def create(wanted: Wanted, deps: web.Deps) -> Any:
        return web.ok({"name": wanted.name, "deps": deps})

    @router.get("")
    async def crash(q: str = "") -> Any:
        raise RuntimeError("SELECT secret FROM vault")

    @router.post("/{thing_id}/upload")
    async def upload(thing_id: web.Id, file: UploadFile, label: Annotated[web.Text, Form()]) -> Any:
        return web.ok({"size": len(await file.read()), "label": label})

    return router


async def handle(event: events.Event, deps: Any) -> None:
    raise errors.Later


class Doorman:
    """A gate that knows the local key and nobody's membership, and writes nothing down."""

    async def admit(self, shown: str, method: str, path: str) -> user_token.User:
        return user_token.UserTokens(RING).verify(shown, datetime.now(UTC))


@asynccontextmanager
async def lifespan() -> AsyncGenerator[str, None]:
    yield "pool"


async def ready(deps: Any) -> bool:
    return deps == "pool"


@pytest.fixture
async def client() -> AsyncGenerator[httpx.AsyncClient, None]:
    app = web.build_app(
        title="things",
        lifespan=lifespan,
        ready=ready,
        routers=[things()],
        gate=lambda: nullcontext(Doorman()),
        consumes=handle,
    )
    transport = httpx.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://test") as client,
    ):
        yield client


def token() -> dict[str, str]:
    now = datetime.now(UTC)
    made = user_token.issue(RING, "ada", {PROJECT: "member"}, now, timedelta(hours=1))
    return {"authorization": f"Bearer {made}"}


def failed(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    assert set(body) == {"status", "message", "data"}
    assert body["status"] == "fail"
    assert body["data"]["code"] == code
    return body


class TestAnEnvelope:
    async def test_holds_what_a_route_returns(self, client: httpx.AsyncClient) -> None:
        answer = await client.post("/things", json={"name": "a"})
        assert answer.json() == {
            "status": "success",
            "message": "OK",
            "data": {"name": "a", "deps": "pool"},
        }

    async def test_holds_an_unknown_route(self, client: httpx.AsyncClient) -> None:
        failed(await client.get("/nowhere"), 404, "NOT_FOUND")

    async def test_holds_a_wrong_method_and_names_the_right_ones(
        self, client: httpx.AsyncClient
    ) -> None:
        answer = await client.put(f"/things/{PROJECT}")
        failed(answer, 405, "METHOD_NOT_ALLOWED")
        assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD", "DELETE"}

    @pytest.mark.parametrize("method", ["TRACE", "OPTIONS", "PROPFIND"])
    async def test_holds_a_method_that_nobody_uses(
        self, client: httpx.AsyncClient, method: str
    ) -> None:
        failed(await client.request(method, "/things"), 405, "METHOD_NOT_ALLOWED")

    async def test_holds_a_domain_error(self, client: httpx.AsyncClient) -> None:
        body = failed(await client.delete(f"/things/{PROJECT}"), 409, "CONFLICT")
        assert body["message"] == "It is in use."

    async def test_holds_a_crash_without_its_inner_workings(
        self, client: httpx.AsyncClient
    ) -> None:
        answer = await client.get("/things", headers={"x-request-id": "r-1"})
        failed(answer, 500, "INTERNAL")
        assert "SELECT" not in answer.text
        assert "r-1" in answer.json()["message"]


class TestABody:
    @pytest.mark.parametrize(
        "content",
        [
            b"{",
            b"",
            b'{"name": NaN}',
            b"\xff\xfe",
            b'{"name": "\xff"}',
            b"[" * 100_0,
            "{}".encode("utf-16"),
        ],
    )
    async def test_that_is_not_json_cannot_be_read(
        self, client: httpx.AsyncClient, content: bytes
    ) -> None:
        answer = await client.post(
            "/things", content=content, headers={"content-type": "application/json"}
        )
        assert answer.status_code == (422 if content == b"" else 400)
        assert answer.json()["status"] == "fail"

    async def test_that_is_too_large_is_refused_by_its_announcement(
        self, client: httpx.AsyncClient
    ) -> None:
        answer = await client.post("/things", json={"name": "a" * 1000})
        failed(answer, 413, "TOO_LARGE")

    async def test_that_is_too_large_is_refused_without_an_announcement(
        self, client: httpx.AsyncClient
    ) -> None:
        async def chunks() -> AsyncGenerator[bytes, None]:
            for _ in range(50):
                yield b" " * 100

        headers = {"content-type": "application/json"}
        failed(await client.post("/things", content=chunks(), headers=headers), 413, "TOO_LARGE")

    async def test_that_breaks_rules_is_told_every_field(self, client: httpx.AsyncClient) -> None:
        wrong = {"resourceProfile": {"gpuCount": "1"}, "modelId": "x"}
        body = failed(await client.post("/things", json=wrong), 422, "INVALID")
        fields = {error["field"] for error in body["data"]["errors"]}
        assert fields == {"name", "resourceProfile.gpuCount", "modelId"}

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"name": "a\0"}, "name"),
            ({"name": "a", "more": [{"x": "\ud800"}]}, "more.0.x"),
            ({"name": "a", "resourceProfile": {"gpuCount": 2**63}}, "resourceProfile.gpuCount"),
            ({"name": "a", "more": -(2**70)}, "more"),
            ({"name": "a", "more": {"\0": 1}}, "more"),
        ],
    )
    async def test_with_values_that_cannot_be_stored_is_told_where(
        self, client: httpx.AsyncClient, body: dict[str, Any], field: str
    ) -> None:
        content = json.dumps(body)
        headers = {"content-type": "application/json"}
        answer = await client.post("/things", content=content, headers=headers)
        told = failed(answer, 422, "INVALID")
        assert [error["field"] for error in told["data"]["errors"]] == [field]

    @pytest.mark.parametrize("content", ["1e400", "[]", "null", '"x"', "12", "true", "[[[]]]"])
    async def test_of_the_wrong_kind_is_against_a_rule(
        self, client: httpx.AsyncClient, content: str
    ) -> None:
        headers = {"content-type": "application/json"}
        failed(await client.post("/things", content=content, headers=headers), 422, "INVALID")

    async def test_nested_beyond_reason_is_refused(self, client: httpx.AsyncClient) -> None:
        content = '{"name": "a", "x": ' + "[" * 100 + "]" * 100 + "}"
        headers = {"content-type": "application/json"}
        failed(await client.post("/things", content=content, headers=headers), 422, "INVALID")

    async def test_without_a_content_type_is_read_as_json(self, client: httpx.AsyncClient) -> None:
        assert (await client.post("/things", content=b'{"name": "a"}')).status_code == 200


class TestAnUpload:
    @staticmethod
    async def send(client: httpx.AsyncClient, size: int, label: str = "x") -> httpx.Response:
        files = {"file": ("a.bin", b"x" * size)}
        return await client.post(f"/things/{PROJECT}/upload", files=files, data={"label": label})

    async def test_is_read(self, client: httpx.AsyncClient) -> None:
        assert (await self.send(client, 10)).json()["data"] == {"size": 10, "label": "x"}

    async def test_that_is_too_large_is_refused(self, client: httpx.AsyncClient) -> None:
        failed(await self.send(client, 1000), 413, "TOO_LARGE")

    async def test_with_fields_that_cannot_be_stored_is_told_where(
        self, client: httpx.AsyncClient
    ) -> None:
        body = failed(await self.send(client, 1, "a\0"), 422, "INVALID")
        assert body["data"]["errors"][0]["field"] == "label"

    async def test_that_is_broken_cannot_be_read(self, client: httpx.AsyncClient) -> None:
        headers = {"content-type": "multipart/form-data; boundary=x"}
        url = f"/things/{PROJECT}/upload"
        failed(await client.post(url, content=b"--y", headers=headers), 400, "UNREADABLE")


class TestAnAddress:
    async def test_that_is_no_uuid_is_not_found(self, client: httpx.AsyncClient) -> None:
        failed(await client.get("/things/seven", headers=token()), 404, "NOT_FOUND")

    async def test_with_nul_in_its_path_is_not_found(self, client: httpx.AsyncClient) -> None:
        failed(await client.get("/things/%00", headers=token()), 404, "NOT_FOUND")

    async def test_with_nul_in_its_query_is_told_the_field(self, client: httpx.AsyncClient) -> None:
        body = failed(await client.get("/things?q=a%00"), 422, "INVALID")
        assert body["data"]["errors"][0]["field"] == "q"

    async def test_with_a_wrong_query_is_told_the_field(self, client: httpx.AsyncClient) -> None:
        answer = await client.get(f"/things/{PROJECT}?limit=x", headers=token())
        assert failed(answer, 422, "INVALID")["data"]["errors"][0]["field"] == "limit"


class TestACaller:
    async def test_with_a_token_is_known(self, client: httpx.AsyncClient) -> None:
        answer = await client.get(f"/things/{PROJECT}", headers=token())
        assert answer.json()["data"]["name"] == "ada"

    @pytest.mark.parametrize("header", ["", "Bearer", "Bearer x", "Basic eDp5", "Bearer a.b.c"])
    async def test_without_a_valid_token_is_not_let_in(
        self, client: httpx.AsyncClient, header: str
    ) -> None:
        answer = await client.get(f"/things/{PROJECT}", headers={"authorization": header})
        failed(answer, 401, "UNAUTHENTICATED")
        assert answer.headers["www-authenticate"] == "Bearer"


class TestEveryAnswer:
    @pytest.mark.parametrize("path", ["/healthz", "/nowhere", "/things"])
    async def test_echoes_request_id_and_trace(self, client: httpx.AsyncClient, path: str) -> None:
        trace = f"00-{'a' * 32}-{'b' * 16}-01"
        headers = {"x-request-id": "r-1", "traceparent": trace}
        answer = await client.get(path, headers=headers)
        assert answer.headers["x-request-id"] == "r-1"
        assert answer.headers["traceparent"] == trace

    async def test_replaces_ids_that_are_not_fit_to_echo(self, client: httpx.AsyncClient) -> None:
        headers = {"x-request-id": "a b\tc", "traceparent": "00-x-y-z"}
        answer = await client.get("/healthz", headers=headers)
        assert " " not in answer.headers["x-request-id"]
        assert answer.headers["traceparent"].startswith("00-")
        assert len(answer.headers["traceparent"]) == 55


class TestHealth:
    async def test_is_told_without_a_token(self, client: httpx.AsyncClient) -> None:
        assert (await client.get("/healthz")).json()["status"] == "success"
        assert (await client.get("/readyz")).json()["data"] == {"ready": True}

    async def test_answers_head_without_a_body(self, client: httpx.AsyncClient) -> None:
        answer = await client.head("/healthz")
        assert (answer.status_code, answer.content) == (200, b"")

    async def test_is_not_ready_while_its_parts_are_not(self) -> None:
        async def never(deps: Any) -> bool:
            return False

        app = web.build_app(title="t", lifespan=lifespan, ready=never)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://t") as client,
        ):
            answer = await client.get("/readyz")
        failed(answer, 503, "UNAVAILABLE")
        assert answer.headers["retry-after"] == "1"


class TestTheDescription:
    async def test_declares_the_envelope_of_every_error(self, client: httpx.AsyncClient) -> None:
        document = (await client.get("/openapi.json")).json()
        call = document["paths"]["/things/{thing_id}"]["get"]
        schema = call["responses"]["422"]["content"]["application/json"]["schema"]
        assert schema["properties"]["status"] == {"const": "fail"}
        assert call["security"] == [{"bearer": []}]
        assert "/healthz" not in document["paths"]

    async def test_has_no_pages_beside_it(self, client: httpx.AsyncClient) -> None:
        failed(await client.get("/docs"), 404, "NOT_FOUND")


class TestAnEvent:
    async def test_is_answered_empty(self, client: httpx.AsyncClient) -> None:
        later = {
            "ce-id": "1",
            "ce-source": "s",
            "ce-type": "t",
            "ce-specversion": "1.0",
            "content-type": "application/json",
        }
        answer = await client.post("/", headers=later, content=b"{}")
        assert (answer.status_code, answer.content) == (503, b"")
        assert answer.headers["retry-after"]
        assert (await client.post("/", content=b"x")).status_code == 400

    async def test_comes_by_post_only(self, client: httpx.AsyncClient) -> None:
        answer = await client.get("/")
        failed(answer, 405, "METHOD_NOT_ALLOWED")
        assert answer.headers["allow"] == "POST"
