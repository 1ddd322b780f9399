"""Every call × every role × the own and another project, from the routes that there are.

The calls are read from what each function on a public route says of itself; what each takes is
rules.py. Real functions on a real Postgres and a real S3 server answer.
"""

import importlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
import pytest_asyncio

from common.settings import Storage
from common.storage.objects import Objects
from common.tokens import user_token
from common.tokens.keyring import KeyRing
from common.tokens.user_token import RANKS, Role
from tests.asgi import serving
from tests.catalogue import OTHER_PROJECT, with_storage
from tests.integration.functions.conftest import environ_of
from tests.integration.functions.roles.rules import ALSO_TRAINERS, EMPTY, RULES
from tests.integration.functions.roles.world import BODIES, World
from tests.jobs import PROJECT
from tests.keys import job_token_for, now_utc, ring_json
from tests.manifests import routing
from tests.manifests.objects import name_of, of_kind

ROUTES = of_kind("HTTPRoute", "gateway.networking.k8s.io")
PUBLIC = sorted(name_of(route).replace("-", "_") for route in ROUTES)
METHODS = {"get", "post", "put", "patch", "delete"}
NOWHERE = "postgresql://nobody@127.0.0.1:9/none"
HINT = "add a line to tests/integration/functions/roles/rules.py for"
Call = tuple[str, str]


@dataclass(frozen=True)
class Caller:
    """Somebody, by what they show."""

    name: str
    roles: Mapping[UUID, Role]
    administers: bool = False

    def rank_in(self, project: UUID) -> int:
        return RANKS["admin"] if self.administers else RANKS.get(self.roles.get(project, ""), 0)

    @property
    def best_rank(self) -> int:
        return max([self.rank_in(PROJECT), *(RANKS[role] for role in self.roles.values())])

    def header(self) -> dict[str, str]:
        roles: dict[str, Role] = {str(each): role for each, role in self.roles.items()}
        made = user_token.issue(
            KeyRing.parse(ring_json()),
            self.name,
            roles,
            now_utc(),
            timedelta(hours=1),
            administers=self.administers,
        )
        return {"authorization": f"Bearer {made}"}


CALLERS = [
    Caller("a stranger", {}),
    *(Caller(f"{role} of the project", {PROJECT: role}) for role in RANKS),  # type: ignore[misc]
    *(Caller(f"{role} of another project", {OTHER_PROJECT: role}) for role in RANKS),  # type: ignore[misc]
    Caller("admin of the installation", {}, administers=True),
]


def expected(rule: str, caller: Caller) -> set[int]:
    """The refusal that this caller must get; nothing where it must get none."""
    if rule == "trainer":
        return {401}
    if rule in ("caller", "anybody"):
        return set()
    if rule == "installation":
        return set() if caller.administers else {403}
    if rule.startswith("some "):
        return set() if caller.best_rank >= RANKS[rule.removeprefix("some ")] else {403}
    if caller.rank_in(PROJECT) == 0:
        return {404}
    return set() if caller.rank_in(PROJECT) >= RANKS[rule] else {403}


def calls_of(description: Mapping[str, Any]) -> set[Call]:
    return {
        (method.upper(), path)
        for path, operations in description["paths"].items()
        for method in operations.keys() & METHODS
    }


async def described(function: str) -> set[Call]:
    """The calls of a function, by its own description."""
    app = importlib.import_module(f"functions.{function}.app").create_app(environ_of(NOWHERE))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://function") as client:
        return calls_of((await client.get("/openapi.json")).json())


async def test_every_route_has_a_rule_and_every_rule_a_route() -> None:
    found = {call for function in PUBLIC for call in await described(function)}
    assert found - RULES.keys() == set(), HINT
    assert RULES.keys() - found == set()


@pytest.mark.parametrize("function", PUBLIC)
async def test_every_call_that_a_function_describes_reaches_it_by_its_route(function: str) -> None:
    for method, path in await described(function):
        concrete = "/".join(str(uuid4()) if "{" in part else part for part in path.split("/"))
        assert routing.resolve(ROUTES, method, concrete) == function.replace("_", "-"), path


@pytest_asyncio.fixture
async def world(pool: asyncpg.Pool, objects: Objects) -> AsyncIterator[World]:
    yield World(pool, objects)


@pytest.mark.parametrize("function", PUBLIC)
async def test_a_function_answers_each_role_as_the_table_says(
    function: str, environ: dict[str, str], storage: Storage, world: World
) -> None:
    settings = with_storage(environ, storage) | {"LIVE_STREAM_SECONDS": "0.05"}
    app = importlib.import_module(f"functions.{function}.app").create_app(settings)
    wrong: list[str] = []
    async with serving(app) as client:
        for call in sorted(await described(function)):
            assert call in RULES, f"{HINT} {call}"
            for caller in CALLERS:
                wrong += await problems(client, world, call, caller.header(), caller)
            wrong += await problems_without_a_user(client, world, call)
    assert wrong == []


async def problems(
    client: httpx.AsyncClient, world: World, call: Call, header: dict[str, str], caller: Caller
) -> list[str]:
    path, _ = await world.fill(call[1])
    answer = await ask(client, call, path, header)
    return judged(call, caller.name, expected(RULES[call], caller), answer)


async def problems_without_a_user(client: httpx.AsyncClient, world: World, call: Call) -> list[str]:
    """Nobody, a trainer of the job, and one of another job."""
    path, job_id = await world.fill(call[1])
    trainers = RULES[call] == "trainer" or call in ALSO_TRAINERS
    open_to_all = RULES[call] == "anybody"
    nobody = await ask(client, call, path, {})
    stray = await ask(client, call, path, trainer_of(uuid4()))
    own = await ask(client, call, path, trainer_of(job_id))
    refusal: set[int] = set() if open_to_all else {401}
    return [
        *judged(call, "nobody", refusal, nobody),
        *judged(call, "a trainer of another job", refusal, stray),
        *judged(call, "a trainer", set() if trainers else refusal, own),
    ]


def trainer_of(job_id: UUID) -> dict[str, str]:
    return {"authorization": f"Bearer {job_token_for(job_id, 1, now_utc())}"}


async def ask(
    client: httpx.AsyncClient, call: Call, path: str, header: dict[str, str]
) -> httpx.Response:
    body = BODIES[call]() if call in BODIES else {}
    return await client.request(call[0], path, headers=header, **body)


def judged(call: Call, who: str, refusal: set[int], answer: httpx.Response) -> list[str]:
    """What is wrong with the answer, in a line."""
    got = answer.status_code
    if refusal:
        right = got in refusal
    else:
        nothing_there = got == 404 and call in EMPTY
        right = nothing_there or got in (
            (401,) if RULES[call] == "anybody" else (200, 409, 422, 503)
        )
    wanted = next(iter(refusal), "no refusal")
    return [] if right else [f"{' '.join(call)} as {who}: {wanted}, not {got}: {answer.text[:200]}"]
