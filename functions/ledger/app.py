"""Wires the ledger function: one report."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import asyncpg
from fastapi import FastAPI, Response

from common import postgres, prices, target, web
from common.access.gate import open_gate
from common.access.settings import Access
from common.config_file import ConfigFile
from common.prices import Prices
from common.settings import Config, Database, load
from functions.ledger import schema
from functions.ledger.handler import Asked, ledger

PATH = "/llm-ops/v1/ledger"

routes = web.router()


@dataclass(frozen=True)
class State:
    pool: asyncpg.Pool
    prices: ConfigFile[Prices]


def create_app(environ: Mapping[str, str]) -> FastAPI:
    """The function as an ASGI application. Raises SettingsError."""
    database, config, access = load(environ, Database, Config, Access)

    @asynccontextmanager
    async def lifespan() -> AsyncGenerator[State]:
        file = ConfigFile(config.folder / "prices.yaml", prices.parse)
        pool = await postgres.open_pool(database)
        yield State(pool, file)
        await postgres.close_pool(pool)

    return web.build_app(
        title="ledger",
        lifespan=lifespan,
        ready=lambda state: postgres.schema_is_ready(state.pool),
        routers=[routes],
        gate=lambda: open_gate(access),
    )


async def main(request: Any) -> Any:
    """The functions framework's target."""
    return await target.hand_over(request, create_app)


@routes.get(PATH, response_model=web.Success[schema.Ledger], summary="Where GPU hours went")
async def report(
    deps: web.Deps,
    user: web.Caller,
    project_id: schema.ProjectId = None,
    group_by: schema.Grouping = "project",
    since: schema.Since = None,
    until: schema.Until = None,
    limit: schema.Limit = 100,
    cursor: schema.Cursor = None,
) -> Response:
    state: State = deps
    asked = Asked(project_id, group_by, since, until, limit, cursor)
    current = state.prices.current()
    return web.ok(await ledger(user, asked, pool=state.pool, prices=current, now=_now))


def _now() -> datetime:
    return datetime.now(UTC)
