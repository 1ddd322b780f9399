"""Wires the retention function."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import asyncpg
from fastapi import APIRouter, FastAPI, Response

from common import postgres, target, web
from common.access.gate import open_gate
from common.access.settings import Access
from common.config_file import ConfigFile
from common.settings import Config, Database, Storage, load
from common.storage.objects import Objects, open_objects
from common.sync.retention import Retention, parse
from functions.retention import schema
from functions.retention.handler import retention

RETENTION = "/llm-ops/v1/admin/retention"


@dataclass(frozen=True)
class State:
    pool: asyncpg.Pool
    objects: Objects
    kept: ConfigFile[Retention]


def create_app(environ: Mapping[str, str]) -> FastAPI:
    """The function as an ASGI application. Raises SettingsError."""
    database, storage, config, access = load(environ, Database, Storage, Config, Access)

    @asynccontextmanager
    async def lifespan() -> AsyncGenerator[State]:
        kept = ConfigFile(config.folder / "retention.yaml", parse)
        pool = await postgres.open_pool(database)
        async with open_objects(storage) as objects:
            yield State(pool, objects, kept)
        await postgres.close_pool(pool)

    return web.build_app(
        title="retention",
        lifespan=lifespan,
        ready=lambda state: postgres.schema_is_ready(state.pool),
        routers=[_routes()],
        gate=lambda: open_gate(access),
    )


def _routes() -> APIRouter:
    routes = web.router()

    @routes.get(
        RETENTION,
        response_model=web.Success[schema.Kinds],
        summary="What is older than it may be, and will be deleted",
    )
    async def look(deps: web.Deps, user: web.Caller) -> Response:
        state: State = deps
        found = await retention(
            user, pool=state.pool, objects=state.objects, kept=state.kept.current(), now=_now
        )
        return web.ok(found)

    return routes


async def main(request: Any) -> Any:
    """The functions framework's target."""
    return await target.hand_over(request, create_app)


def _now() -> datetime:
    return datetime.now(UTC)
