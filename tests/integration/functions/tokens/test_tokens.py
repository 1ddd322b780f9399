"""Tokens that are kept here: made, used, refreshed, stolen, revoked."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import asyncpg
import httpx
import pytest
import pytest_asyncio

from common.access.gate import REMEMBERED_SECONDS, Gate
from common.access.settings import Access
from common.errors import Unauthenticated
from common.recent import Recent
from common.storage.objects import Objects
from common.sync.retention import Retention
from common.sync.sweep import Sweeper
from functions.tokens.app import create_app
from tests.asgi import serving
from tests.catalogue import OTHER_PROJECT, bearer, caller
from tests.jobs import PROJECT
from tests.keys import now_utc

TOKENS = "/llm-ops/v1/tokens"
MACHINE = {"name": "ci", "kind": "machine", "projectId": str(PROJECT)}


@pytest_asyncio.fixture
async def client(environ: dict[str, str]) -> AsyncIterator[httpx.AsyncClient]:
    async with caller(create_app(environ)) as opened:
        yield opened


@pytest.fixture
def access(environ: dict[str, str]) -> Access:
    return Access.from_environ(environ)


def fresh_gate(access: Access, pool: asyncpg.Pool, ahead: timedelta = timedelta()) -> Gate:
    """That of an instance which has remembered nothing yet."""
    return Gate(access, pool, lambda: now_utc() + ahead, None)


async def create(client: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    answer = await client.post(TOKENS, json={"name": "laptop"} | fields)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


async def refresh(client: httpx.AsyncClient, secret: str) -> httpx.Response:
    return await client.post(f"{TOKENS}/refresh", json={"refreshToken": secret})


class TestAToken:
    async def test_of_a_person_acts_as_its_maker(
        self, client: httpx.AsyncClient, access: Access, pool: asyncpg.Pool
    ) -> None:
        made = await create(client)
        user = await fresh_gate(access, pool).identify(made["token"])
        assert (user.subject, user.roles) == ("ada", {str(PROJECT): "admin"})

    async def test_of_a_machine_has_its_one_role_and_no_more(
        self, client: httpx.AsyncClient, access: Access, pool: asyncpg.Pool
    ) -> None:
        made = await create(client, **MACHINE, role="viewer")
        user = await fresh_gate(access, pool).identify(made["token"])
        assert (user.subject, user.roles) == ("machine:ci", {str(PROJECT): "viewer"})

    async def test_is_stored_as_a_digest_only(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        made = await create(client, refreshable=True)
        row = str(dict(await pool.fetchrow("select * from tokens") or {}))
        assert made["token"] not in row
        assert made["refreshToken"] not in row

    async def test_ends_at_its_time(
        self, client: httpx.AsyncClient, access: Access, pool: asyncpg.Pool
    ) -> None:
        made = await create(client, expiresInSeconds=60)
        late = fresh_gate(access, pool, timedelta(seconds=61))
        with pytest.raises(Unauthenticated):
            await late.identify(made["token"])

    async def test_makes_no_other(self, client: httpx.AsyncClient) -> None:
        made = await create(client)
        header = {"authorization": f"Bearer {made['token']}"}
        answer = await client.post(TOKENS, json={"name": "more"}, headers=header)
        assert answer.status_code == 403

    async def test_is_listed_by_its_maker_alone(self, client: httpx.AsyncClient) -> None:
        made = await create(client)
        mine = (await client.get(TOKENS)).json()["data"]["tokens"]
        assert [each["id"] for each in mine] == [made["id"]]
        others = await client.get(TOKENS, headers=bearer(subject="grace"))
        assert others.json()["data"]["tokens"] == []
        theirs = await client.delete(f"{TOKENS}/{made['id']}", headers=bearer(subject="grace"))
        assert theirs.status_code == 404


class TestRevoking:
    async def test_counts_at_once_where_nothing_is_remembered(
        self, client: httpx.AsyncClient, access: Access, pool: asyncpg.Pool
    ) -> None:
        made = await create(client)
        assert (await client.delete(f"{TOKENS}/{made['id']}")).status_code == 200
        with pytest.raises(Unauthenticated):
            await fresh_gate(access, pool).identify(made["token"])

    def test_is_remembered_otherwise_for_no_more_than_seconds(self) -> None:
        seconds = [0.0]
        recent: Recent[str] = Recent(REMEMBERED_SECONDS, 2, lambda: seconds[0])
        recent.put("a", "found")
        seconds[0] = REMEMBERED_SECONDS - 0.01
        assert recent.get("a") == "found"
        seconds[0] = REMEMBERED_SECONDS
        assert recent.get("a") is None
        assert REMEMBERED_SECONDS <= 5


class TestRefreshing:
    async def test_gives_new_secrets_and_ends_the_old_ones(
        self, client: httpx.AsyncClient, access: Access, pool: asyncpg.Pool
    ) -> None:
        made = await create(client, refreshable=True)
        after = (await refresh(client, made["refreshToken"])).json()["data"]
        gate = fresh_gate(access, pool)
        assert (await gate.identify(after["token"])).subject == "ada"
        with pytest.raises(Unauthenticated):
            await gate.identify(made["token"])

    async def test_twice_with_one_secret_revokes_the_whole_family(
        self, client: httpx.AsyncClient, access: Access, pool: asyncpg.Pool
    ) -> None:
        made = await create(client, refreshable=True)
        after = (await refresh(client, made["refreshToken"])).json()["data"]
        assert (await refresh(client, made["refreshToken"])).status_code == 401
        with pytest.raises(Unauthenticated):
            await fresh_gate(access, pool).identify(after["token"])
        assert (await refresh(client, after["refreshToken"])).status_code == 401
        outcomes = await pool.fetch("select outcome from audit order by id")
        assert [row["outcome"] for row in outcomes] == ["done", "done", "REUSED"]

    async def test_is_not_for_a_token_without_a_refresh_token(
        self, client: httpx.AsyncClient
    ) -> None:
        made = await create(client)
        assert made["refreshToken"] is None
        assert (await refresh(client, made["token"])).status_code == 401


class TestAMachinesToken:
    async def test_is_an_admins_to_make(self, client: httpx.AsyncClient) -> None:
        member = bearer({PROJECT: "member"})
        assert (await client.post(TOKENS, json=MACHINE, headers=member)).status_code == 403
        stranger = bearer({OTHER_PROJECT: "admin"})
        assert (await client.post(TOKENS, json=MACHINE, headers=stranger)).status_code == 404

    async def test_needs_a_project(self, environ: dict[str, str]) -> None:
        async with serving(create_app(environ)) as client:
            body = {"name": "ci", "kind": "machine"}
            answer = await client.post(TOKENS, json=body, headers=bearer())
            assert answer.json()["data"]["errors"][0]["field"] == "projectId"


class TestRetention:
    @pytest.mark.parametrize("kind", ["audit", "tokens"])
    async def test_forgets_what_is_old_and_nothing_else(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool, objects: Objects, kind: str
    ) -> None:
        await create(client, name="old")
        await pool.execute("update audit set at = at - interval '401 days'")
        await pool.execute("update tokens set expires_at = expires_at - interval '61 days'")
        await create(client, name="new")
        for really in (False, True):
            sweeper = Sweeper(pool, objects, Retention(), now_utc(), 100, really)
            found = {each.kind: each for each in await sweeper.sweep()}
            assert found[kind].rows == 1
        assert await pool.fetchval(f"select count(*) from {kind}") == 1
