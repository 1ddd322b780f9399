"""Wires the audit function: one list."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from fastapi import FastAPI, Response

from common import postgres, target, web
from common.access.gate import open_gate
from common.access.settings import Access
from common.settings import Database, load
from functions.audit import schema
from functions.audit.handler import audit

PATH = "/llm-ops/v1/audit"

routes = web.router()


def create_app(environ: Mapping[str, str]) -> FastAPI:
    """The function as an ASGI application. Raises SettingsError."""
    database, access = load(environ, Database, Access)

    @asynccontextmanager
    async def lifespan() -> AsyncGenerator[asyncpg.Pool]:
        pool = await postgres.open_pool(database)
        yield pool
        await postgres.close_pool(pool)

    return web.build_app(
        title="audit",
        lifespan=lifespan,
        ready=postgres.schema_is_ready,
        routers=[routes],
        gate=lambda: open_gate(access),
    )


async def main(request: Any) -> Any:
    """The functions framework's target."""
    return await target.hand_over(request, create_app)


@routes.get(PATH, response_model=web.Success[schema.Audit], summary="List who changed what")
async def page(
    deps: web.Deps,
    user: web.Caller,
    project_id: schema.ProjectId = None,
    subject: schema.Subject = None,
    limit: schema.Limit = 100,
    cursor: schema.Cursor = None,
) -> Response:
    return web.ok(await audit(user, project_id, subject, pool=deps, limit=limit, after=cursor))
