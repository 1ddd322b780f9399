"""Wires the projects function: projects, and the members of each."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from fastapi import FastAPI, Response

from common import postgres, target, web
from common.access.gate import open_gate
from common.access.settings import Access
from common.settings import Database, load
from common.web import Caller, Deps, Success, ok
from functions.projects import schema
from functions.projects.handler import Projects

PREFIX = "/llm-ops/v1/projects"

routes = web.router(prefix=PREFIX)


def create_app(environ: Mapping[str, str]) -> FastAPI:
    """The function as an ASGI application. Raises SettingsError."""
    database, access = load(environ, Database, Access)

    @asynccontextmanager
    async def lifespan() -> AsyncGenerator[Projects]:
        pool = await postgres.open_pool(database)
        yield Projects(pool, lambda: datetime.now(UTC))
        await postgres.close_pool(pool)

    return web.build_app(
        title="projects",
        lifespan=lifespan,
        ready=lambda deps: postgres.schema_is_ready(deps.pool),
        routers=[routes],
        gate=lambda: open_gate(access),
    )


async def main(request: Any) -> Any:
    """The functions framework's target."""
    return await target.hand_over(request, create_app)


@routes.get("", response_model=Success[schema.Projects], summary="List projects")
async def page(
    deps: Deps, user: Caller, limit: schema.Limit = 100, cursor: schema.Cursor = None
) -> Response:
    return ok(await deps.list(user, limit=limit, after=cursor))


@routes.post("", response_model=Success[schema.ProjectWithUsage], summary="Make a project")
async def create(deps: Deps, user: Caller, wanted: schema.NewProject) -> Response:
    return ok(await deps.create(user, wanted), "Project created")


@routes.get("/{projectId}", response_model=Success[schema.ProjectWithUsage], summary="Show one")
async def read(deps: Deps, user: Caller, project_id: schema.ProjectId) -> Response:
    return ok(await deps.read(user, project_id))


@routes.patch(
    "/{projectId}", response_model=Success[schema.ProjectWithUsage], summary="Name it, bound it"
)
async def change(
    deps: Deps, user: Caller, project_id: schema.ProjectId, wanted: schema.Change
) -> Response:
    return ok(await deps.change(user, project_id, wanted), "Project changed")


@routes.get("/{projectId}/members", response_model=Success[schema.Members], summary="Its members")
async def members(
    deps: Deps,
    user: Caller,
    project_id: schema.ProjectId,
    limit: schema.Limit = 100,
    cursor: schema.Cursor = None,
) -> Response:
    return ok(await deps.members(user, project_id, limit=limit, after=cursor))


@routes.put(
    "/{projectId}/members/{user}", response_model=Success[schema.Member], summary="Give a role"
)
async def put_member(
    deps: Deps,
    caller: Caller,
    project_id: schema.ProjectId,
    subject: schema.Subject,
    wanted: schema.NewRole,
) -> Response:
    return ok(await deps.put_member(caller, project_id, subject, wanted.role), "Member added")


@routes.delete(
    "/{projectId}/members/{user}", response_model=Success[schema.Member], summary="Take it away"
)
async def delete_member(
    deps: Deps, caller: Caller, project_id: schema.ProjectId, subject: schema.Subject
) -> Response:
    return ok(await deps.delete_member(caller, project_id, subject), "Member removed")
