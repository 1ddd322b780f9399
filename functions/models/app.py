"""Wires the models function."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from fastapi import FastAPI, Request, Response

from common import target, web
from common.access.gate import open_gate
from common.access.settings import Access
from common.catalogue import body, model
from common.catalogue.model import ModelStatus
from common.catalogue.page import DEFAULT_LIMIT, Page
from common.catalogue.session import open_sessions, schema_is_ready
from common.catalogue.upload import LARGEST_FORM, Wanted
from common.settings import Database, Storage, load
from common.storage.objects import open_objects
from common.web import Caller, Deps, Id, Success, ok
from functions.models.handler import Models
from functions.models.schema import Model, NewModel

PREFIX = "/llm-ops/v1/catalog/models"
LISTED: dict[int | str, Any] = {200: {"headers": body.LIST_HEADERS}}

routes = web.router(prefix=PREFIX)
upload_routes = web.router(prefix=PREFIX, body_limit=LARGEST_FORM)


def create_app(environ: Mapping[str, str]) -> FastAPI:
    """The function as an ASGI application. Raises SettingsError."""
    database, storage, access = load(environ, Database, Storage, Access)

    @asynccontextmanager
    async def lifespan() -> AsyncGenerator[Models]:
        async with open_sessions(database) as sessions, open_objects(storage) as objects:
            yield Models(sessions, objects, storage, lambda: datetime.now(UTC))

    return web.build_app(
        title="models",
        lifespan=lifespan,
        ready=lambda deps: schema_is_ready(deps.sessions),
        routers=[routes, upload_routes],
        gate=lambda: open_gate(access),
    )


async def main(request: Any) -> Any:
    """The functions framework's target."""
    return await target.hand_over(request, create_app)


@routes.get("", response_model=Success[list[Model]], responses=LISTED)
async def list_models(
    deps: Deps,
    caller: Caller,
    status: ModelStatus | None = None,
    project_id: body.InProject = None,
    limit: body.Limit = DEFAULT_LIMIT,
    cursor: body.Cursor = None,
) -> Response:
    rows, following = await deps.list(caller, project_id, status, Page(limit, cursor))
    answer = ok([model.show(row) for row in rows])
    if following:
        answer.headers[body.NEXT] = following
    return answer


@routes.post("", response_model=Success[Model])
async def create_model(deps: Deps, caller: Caller, wanted: NewModel) -> Response:
    return ok(model.show(await deps.create(caller, wanted)), "Model created")


@routes.get("/{model_id:uuid}", response_model=Success[Model])
async def read_model(deps: Deps, caller: Caller, model_id: Id) -> Response:
    return ok(model.show(await deps.read(caller, model_id)))


@routes.delete("/{model_id:uuid}", response_model=Success[Model])
async def delete_model(deps: Deps, caller: Caller, model_id: Id) -> Response:
    return ok(model.show(await deps.delete(caller, model_id)), "Model deleted")


@routes.patch("/{model_id:uuid}/status", response_model=Success[Model])
async def change_status(deps: Deps, caller: Caller, model_id: Id, status: ModelStatus) -> Response:
    return ok(model.show(await deps.change_status(caller, model_id, status)), "Status changed")


@upload_routes.post(
    "/{model_id:uuid}/upload", response_model=Success[Model], openapi_extra=body.FORM
)
async def upload_files(deps: Deps, caller: Caller, model_id: Id, request: Request) -> Response:
    kind = request.headers.get("content-type")
    found = await deps.receive(caller, model_id, kind, request.stream())
    return ok(model.show(found), "Uploaded")


@routes.post("/{model_id:uuid}/uploads", response_model=Success[body.Parts])
async def begin_upload(
    deps: Deps, caller: Caller, model_id: Id, wanted: body.StartUpload
) -> Response:
    begun = await deps.begin_parts(caller, model_id, Wanted(wanted.name, wanted.size))
    return ok(begun | {"complete_url": f"{PREFIX}/{model_id}/uploads/complete"})


@routes.post("/{model_id:uuid}/uploads/complete", response_model=Success[Model])
async def finish_upload(
    deps: Deps, caller: Caller, model_id: Id, done: body.FinishUpload
) -> Response:
    found = await deps.join_parts(caller, model_id, done.name, done.upload_id, done.etags)
    return ok(model.show(found), "Uploaded")
