"""Wires the tokens function: made, listed, revoked, refreshed."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from fastapi import FastAPI, Response

from common import postgres, target, trace, web
from common.access.gate import open_gate
from common.access.settings import Access
from common.settings import Database, load
from common.web import Caller, Deps, Success, ok
from functions.tokens import schema
from functions.tokens.handler import Tokens

PREFIX = "/llm-ops/v1/tokens"

routes = web.router(prefix=PREFIX)


def create_app(environ: Mapping[str, str]) -> FastAPI:
    """The function as an ASGI application. Raises SettingsError."""
    database, access = load(environ, Database, Access)

    @asynccontextmanager
    async def lifespan() -> AsyncGenerator[Tokens]:
        pool = await postgres.open_pool(database)
        yield Tokens(pool, lambda: datetime.now(UTC))
        await postgres.close_pool(pool)

    return web.build_app(
        title="tokens",
        lifespan=lifespan,
        ready=lambda deps: postgres.schema_is_ready(deps.pool),
        routers=[routes],
        gate=lambda: open_gate(access),
    )


async def main(request: Any) -> Any:
    """The functions framework's target."""
    return await target.hand_over(request, create_app)


@routes.post("", response_model=Success[schema.Secrets], summary="Make a token")
async def create(deps: Deps, user: Caller, wanted: schema.NewToken) -> Response:
    return ok(await deps.create(user, wanted), "Token created; it is not shown again")


@routes.get("", response_model=Success[schema.Tokens], summary="List tokens")
async def page(
    deps: Deps,
    user: Caller,
    project_id: schema.ProjectId = None,
    limit: schema.Limit = 100,
    cursor: schema.Cursor = None,
) -> Response:
    return ok(await deps.list(user, project_id, limit=limit, after=cursor))


@routes.delete("/{tokenId:uuid}", response_model=Success[schema.Token], summary="Revoke a token")
async def revoke(deps: Deps, user: Caller, token_id: schema.TokenId) -> Response:
    return ok(await deps.revoke(user, token_id), "Token revoked")


@routes.post("/refresh", response_model=Success[schema.Secrets], summary="Exchange a refresh token")
async def refresh(deps: Deps, asked: schema.Refresh) -> Response:
    request_id = trace.request_id.get() or "unknown"
    return ok(await deps.refresh(asked.refresh_token, request_id=request_id), "Token refreshed")
