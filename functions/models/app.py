"""Wires the models function."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from fastapi import FastAPI, Response

from common import target, web
from common.access.gate import open_gate
from common.access.settings import Access
from common.catalogue import body, model
from common.catalogue.files import Files
from common.catalogue.model import ModelStatus
from common.catalogue.page import DEFAULT_LIMIT, Page
from common.catalogue.place import allowed_buckets
from common.catalogue.session import open_sessions, schema_is_ready
from common.catalogue.uploading import upload_routes
from common.settings import Config, Database, Storage, load
from common.storage.objects import open_objects
from common.web import Caller, Deps, Id, Success, ok
from functions.models.handler import Models
from functions.models.schema import Lineage, Model, NewModel, Receipt

PREFIX = "/llm-ops/v1/catalog/models"
LISTED: dict[int | str, Any] = {200: {"headers": body.LIST_HEADERS}}

routes = web.router(prefix=PREFIX)
files = upload_routes(PREFIX, "model", Model)


def create_app(environ: Mapping[str, str]) -> FastAPI:
    """The function as an ASGI application. Raises SettingsError."""
    database, storage, access, config = load(environ, Database, Storage, Access, Config)
    buckets = allowed_buckets(config.folder)

    @asynccontextmanager
    async def lifespan() -> AsyncGenerator[Models]:
        async with open_sessions(database) as sessions, open_objects(storage) as objects:
            yield Models(sessions, Files(objects, storage), buckets, lambda: datetime.now(UTC))

    return web.build_app(
        title="models",
        lifespan=lifespan,
        ready=lambda deps: schema_is_ready(deps.sessions),
        routers=[routes, *files],
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


@routes.get("/{model_id:uuid}/lineage", response_model=Success[Lineage])
async def read_lineage(deps: Deps, caller: Caller, model_id: Id) -> Response:
    return ok(await deps.lineage(caller, model_id))


@routes.get("/{model_id:uuid}/receipt", response_model=Success[Receipt])
async def read_receipt(deps: Deps, caller: Caller, model_id: Id) -> Response:
    return ok(await deps.receipt(caller, model_id))
