"""Webhooks as their project's people see them."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
import pytest_asyncio

from common.jobs.state import Status
from common.tokens.user_token import Role
from functions.webhooks.app import create_app
from tests.asgi import serving
from tests.catalogue import OTHER_PROJECT, bearer
from tests.jobs import PROJECT, make_job

WEBHOOKS = "/llm-ops/v1/webhooks"
URL = "https://hooks.example.com/T0/secret-path"


@pytest_asyncio.fixture
async def client(environ: dict[str, str]) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(create_app(environ)) as opened:
        yield opened


async def ask(
    client: httpx.AsyncClient, method: str, path: str = "", role: Role = "admin", **options: Any
) -> httpx.Response:
    headers = bearer({PROJECT: role})
    return await client.request(method, f"{WEBHOOKS}{path}", headers=headers, **options)


async def data(client: httpx.AsyncClient, method: str, path: str = "", **options: Any) -> Any:
    answer = await ask(client, method, path, **options)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


async def create(client: httpx.AsyncClient, *events: str) -> Any:
    return await data(client, "POST", json={"url": URL, "events": list(events)})


class TestWebhooks:
    async def test_are_created_listed_and_deleted(self, client: httpx.AsyncClient) -> None:
        made = await create(client, "job.failed", "job.stalled")
        (listed,) = (await data(client, "GET"))["webhooks"]
        assert listed == {name: value for name, value in made.items() if name != "secret"}
        assert (listed["url"], listed["events"]) == (URL, ["job.stalled", "job.failed"])
        await data(client, "DELETE", f"/{made['id']}")
        assert await data(client, "GET") == {"webhooks": []}

    async def test_without_events_are_told_everything(self, client: httpx.AsyncClient) -> None:
        events = (await create(client))["events"]
        assert {"job.submitted", "job.retry_scheduled", "model.registered"} < set(events)

    async def test_never_show_their_secret_again(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        made = await create(client)
        rotated = await data(client, "POST", f"/{made['id']}/secret")
        of_project = await data(client, "POST", "/secret")
        await data(client, "POST", f"/{made['id']}/test")
        secrets = [made["secret"], rotated["secret"], of_project["secret"]]
        assert len(set(secrets)) == 3
        shown = (await ask(client, "GET")).text + (await ask(client, "GET", "/deliveries")).text
        assert not any(secret in shown for secret in secrets)

    @pytest.mark.parametrize(
        "url",
        [
            *(
                "http://127.0.0.1/x",
                "https://localhost/",
                "ftp://a.example/",
                "https://a.example:22/",
            ),
            *("https://user:word@a.example/", "https://10.0.0.1/", "https://postgres/", "x" * 3000),
        ],
    )
    async def test_refuse_an_address_that_is_not_called(
        self, client: httpx.AsyncClient, url: str
    ) -> None:
        answer = await ask(client, "POST", json={"url": url})
        assert answer.status_code == 422
        assert [each["field"] for each in answer.json()["data"]["errors"]] == ["url"]

    async def test_in_prod_refuse_http(self, environ: dict[str, str]) -> None:
        async with serving(create_app(environ | {"ENVIRONMENT": "prod"})) as client:
            plain = await ask(client, "POST", json={"url": "http://hooks.example.com/"})
            safe = await ask(client, "POST", json={"url": "https://hooks.example.com/"})
        assert (plain.status_code, safe.status_code) == (422, 200)

    async def test_are_at_most_fifty(self, client: httpx.AsyncClient) -> None:
        for _ in range(50):
            await create(client)
        answer = await ask(client, "POST", json={"url": URL})
        assert answer.status_code == 409

    @pytest.mark.parametrize("role", ["viewer", "member"])
    async def test_belong_to_administrators(self, client: httpx.AsyncClient, role: Role) -> None:
        made = await create(client)
        calls = [("GET", ""), ("DELETE", f"/{made['id']}"), ("POST", f"/{made['id']}/secret")]
        calls += [("POST", f"/{made['id']}/test"), ("POST", "/secret")]
        for method, path in calls:
            assert (await ask(client, method, path, role)).status_code == 403
        answer = await ask(client, "POST", "", role, json={"url": URL})
        assert answer.status_code == 403

    async def test_of_another_project_are_not_there(self, client: httpx.AsyncClient) -> None:
        made = await create(client)
        for method, path in (("DELETE", ""), ("POST", "/secret"), ("POST", "/test")):
            headers = bearer({OTHER_PROJECT: "admin"})
            path = f"{WEBHOOKS}/{made['id']}{path}"
            assert (await client.request(method, path, headers=headers)).status_code == 404


class TestDeliveries:
    async def test_are_listed_by_job_webhook_and_state_page_by_page(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        made = await create(client, "job.submitted", "job.queued", "job.started")
        job_id = await make_job(pool, Status.RUNNING)
        await make_job(pool)
        first = await data(
            client, "GET", "/deliveries", params={"jobId": str(job_id), "limit": "2"}, role="viewer"
        )
        params = {"jobId": str(job_id), "cursor": first["nextCursor"]}
        rest = await data(client, "GET", "/deliveries", params=params)
        rows = first["deliveries"] + rest["deliveries"]
        assert sorted(each["event"] for each in rows) == [
            "job.queued",
            "job.started",
            "job.submitted",
        ]
        assert {each["webhookId"] for each in rows} == {made["id"]}
        none = await data(client, "GET", "/deliveries", params={"state": "failed"})
        assert none == {"deliveries": [], "nextCursor": None}

    async def test_show_where_they_go_without_the_path(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        await create(client, "job.submitted")
        await make_job(pool)
        answer = await ask(client, "GET", "/deliveries", "viewer")
        (shown,) = answer.json()["data"]["deliveries"]
        assert shown["to"] == "https://hooks.example.com"
        assert "secret-path" not in answer.text

    async def test_are_due_again_when_somebody_asks(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        await create(client, "job.submitted")
        await make_job(pool)
        delivery_id = await pool.fetchval(
            "update webhook_deliveries set state = 'failed', tries = 16, finished_at = now()"
            " returning id"
        )
        path = f"/deliveries/{delivery_id}/redeliver"
        assert (await ask(client, "POST", path, "viewer")).status_code == 403
        shown = await data(client, "POST", path, role="member")
        assert (shown["id"], shown["state"], shown["tries"]) == (str(delivery_id), "due", 0)

    async def test_are_not_sent_again_while_they_are_being_sent(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        await create(client, "job.submitted")
        await make_job(pool)
        delivery_id = await pool.fetchval(
            "update webhook_deliveries set leased_until = now() + interval '1 hour' returning id"
        )
        answer = await ask(client, "POST", f"/deliveries/{delivery_id}/redeliver")
        assert answer.status_code == 409

    async def test_of_another_project_are_not_there(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        await create(client, "job.submitted")
        await make_job(pool)
        delivery_id = await pool.fetchval("select id from webhook_deliveries")
        headers = bearer({OTHER_PROJECT: "admin"})
        page = await client.get(f"{WEBHOOKS}/deliveries", headers=headers)
        assert page.json()["data"]["deliveries"] == []
        for each in (delivery_id, uuid4()):
            path = f"{WEBHOOKS}/deliveries/{each}/redeliver"
            assert (await client.post(path, headers=headers)).status_code == 404
