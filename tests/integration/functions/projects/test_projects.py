"""Projects, their members and their bounds; and what the audit says of it."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx
import pytest_asyncio

from common.access.gate import Gate
from common.access.settings import Access
from functions.audit import app as audit
from functions.projects.app import create_app
from tests.asgi import serving
from tests.catalogue import bearer
from tests.jobs import PROJECT, make_job
from tests.keys import now_utc

PROJECTS = "/llm-ops/v1/projects"
ONE = f"{PROJECTS}/{PROJECT}"
AUDIT = "/llm-ops/v1/audit"
OPERATOR = bearer({}, "root", administers=True)


@pytest_asyncio.fixture
async def client(environ: dict[str, str]) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(create_app(environ)) as opened:
        opened.headers.update(bearer())
        yield opened


async def data(answer: httpx.Response) -> Any:
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


class TestProjects:
    async def test_are_made_and_listed_by_who_administers_the_installation(
        self, client: httpx.AsyncClient
    ) -> None:
        made = await data(await client.post(PROJECTS, json={"name": "vision"}, headers=OPERATOR))
        page = await data(await client.get(PROJECTS, headers=OPERATOR))
        assert [each["id"] for each in page["projects"]] == [made["id"]]
        assert (await client.get(f"{PROJECTS}/{made['id']}")).status_code == 404

    async def test_that_only_a_token_names_are_shown_too(self, client: httpx.AsyncClient) -> None:
        (only,) = (await data(await client.get(PROJECTS)))["projects"]
        assert (only["id"], only["role"]) == (str(PROJECT), "admin")

    async def test_show_what_is_used_of_what_may_be(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        await make_job(pool)
        bounds = {"liveJobs": 5, "gpuHoursPerMonth": 2.5}
        answer = await client.patch(ONE, json={"quota": bounds}, headers=OPERATOR)
        shown = await data(answer)
        assert shown["quota"] == {"liveJobs": 5, "gpus": None, "gpuHoursPerMonth": 2.5}
        assert shown["usage"]["liveJobs"] == 1
        lifted = await client.patch(ONE, json={"quota": {"liveJobs": None}}, headers=OPERATOR)
        assert (await data(lifted))["quota"]["liveJobs"] is None
        assert (await data(lifted))["quota"]["gpuHoursPerMonth"] == 2.5

    async def test_are_bounded_by_no_admin_of_their_own(self, client: httpx.AsyncClient) -> None:
        answer = await client.patch(ONE, json={"quota": {"gpus": 1000}})
        assert answer.status_code == 403


class TestAMember:
    async def test_has_its_role_wherever_it_signs_in(
        self, client: httpx.AsyncClient, environ: dict[str, str], pool: asyncpg.Pool
    ) -> None:
        member = f"{ONE}/members/grace@example.com"
        await data(await client.put(member, json={"role": "viewer"}))
        gate = Gate(Access.from_environ(environ), pool, now_utc, None)
        token = bearer({}, "grace@example.com")["authorization"].removeprefix("Bearer ")
        assert (await gate.identify(token)).roles == {str(PROJECT): "viewer"}
        await data(await client.delete(member))
        assert (await client.delete(member)).status_code == 404
        later = Gate(Access.from_environ(environ), pool, now_utc, None)
        assert (await later.identify(token)).roles == {}


class TestTheAudit:
    async def test_says_who_did_what_and_what_was_refused(
        self, client: httpx.AsyncClient, environ: dict[str, str]
    ) -> None:
        named = {"x-request-id": "told-by-a-test"}
        await client.patch(ONE, json={"name": "vision"}, headers=named)
        viewer = bearer({PROJECT: "viewer"}, "grace")
        await client.patch(ONE, json={"name": "mine"}, headers=viewer)
        await client.patch(ONE, json={"name": 5})
        async with serving(audit.create_app(environ)) as auditor:
            page = await data(await auditor.get(AUDIT, headers=bearer()))
        told = [(each["user"], each["outcome"]) for each in page["entries"]]
        assert told == [("grace", "FORBIDDEN"), ("ada", "done")]
        done = page["entries"][1]
        assert (done["action"], done["requestId"]) == (
            f"PATCH {PROJECTS}/{{projectId}}",
            *named.values(),
        )
        assert (done["target"], done["projectId"]) == (str(PROJECT), str(PROJECT))

    async def test_goes_on_where_a_page_ended(
        self, client: httpx.AsyncClient, environ: dict[str, str]
    ) -> None:
        for name in ("a", "b", "c"):
            await client.patch(ONE, json={"name": name})
        async with serving(audit.create_app(environ)) as auditor:
            first = await data(await auditor.get(AUDIT, params={"limit": 2}, headers=bearer()))
            params = {"limit": 2, "cursor": first["nextCursor"]}
            rest = await data(await auditor.get(AUDIT, params=params, headers=bearer()))
        ids = [each["id"] for each in [*first["entries"], *rest["entries"]]]
        assert (len(ids), rest["nextCursor"]) == (3, None)
        assert ids == sorted(ids, reverse=True)

    async def test_is_not_there_without_the_change(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        await pool.execute("alter table audit add check (outcome <> 'done')")
        answer = await client.patch(ONE, json={"name": "vision"})
        assert answer.status_code == 500
        assert await pool.fetchval("select count(*) from projects") == 0
