"""Wires the datasets function."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import FastAPI, Query, Response

from common import target, web
from common.access.gate import open_gate
from common.access.settings import Access
from common.catalogue import body, dataset
from common.catalogue.files import Files
from common.catalogue.page import DEFAULT_LIMIT, Page
from common.catalogue.place import allowed_buckets
from common.catalogue.preview import GREATEST_LIMIT
from common.catalogue.session import open_sessions, schema_is_ready
from common.catalogue.uploading import upload_routes
from common.settings import Config, Database, Storage, load
from common.storage.objects import open_objects
from common.web import Caller, Deps, Id, Success, ok
from functions.datasets.handler import Datasets
from functions.datasets.schema import Dataset, Lineage, NewDataset, Preview

PREFIX = "/llm-ops/v1/catalog/datasets"
LISTED: dict[int | str, Any] = {200: {"headers": body.LIST_HEADERS}}

routes = web.router(prefix=PREFIX)
files = upload_routes(PREFIX, "dataset", Dataset)


def create_app(environ: Mapping[str, str]) -> FastAPI:
    """The function as an ASGI application. Raises SettingsError."""
    database, storage, access, config = load(environ, Database, Storage, Access, Config)
    buckets = allowed_buckets(config.folder)

    @asynccontextmanager
    async def lifespan() -> AsyncGenerator[Datasets]:
        async with open_sessions(database) as sessions, open_objects(storage) as objects:
            yield Datasets(sessions, Files(objects, storage), buckets, lambda: datetime.now(UTC))

    return web.build_app(
        title="datasets",
        lifespan=lifespan,
        ready=lambda deps: schema_is_ready(deps.sessions),
        routers=[routes, *files],
        gate=lambda: open_gate(access),
    )


async def main(request: Any) -> Any:
    """The functions framework's target."""
    return await target.hand_over(request, create_app)


@routes.get("", response_model=Success[list[Dataset]], responses=LISTED)
async def list_datasets(
    deps: Deps,
    caller: Caller,
    project_id: body.InProject = None,
    limit: body.Limit = DEFAULT_LIMIT,
    cursor: body.Cursor = None,
) -> Response:
    rows, following = await deps.list(caller, project_id, Page(limit, cursor))
    answer = ok([dataset.show(row) for row in rows])
    if following:
        answer.headers[body.NEXT] = following
    return answer


@routes.post("", response_model=Success[Dataset])
async def create_dataset(deps: Deps, caller: Caller, wanted: NewDataset) -> Response:
    return ok(dataset.show(await deps.create(caller, wanted)), "Dataset created")


@routes.get("/{dataset_id:uuid}", response_model=Success[Dataset])
async def read_dataset(deps: Deps, caller: Caller, dataset_id: Id) -> Response:
    return ok(dataset.show(await deps.read(caller, dataset_id)))


@routes.delete("/{dataset_id:uuid}", response_model=Success[Dataset])
async def delete_dataset(deps: Deps, caller: Caller, dataset_id: Id) -> Response:
    return ok(dataset.show(await deps.delete(caller, dataset_id)), "Dataset deleted")


@routes.get("/{dataset_id:uuid}/preview", response_model=Success[Preview])
async def preview_dataset(
    deps: Deps,
    caller: Caller,
    dataset_id: Id,
    file: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=GREATEST_LIMIT)] = 20,
) -> Response:
    return ok(await deps.preview(caller, dataset_id, file, limit))


@routes.get("/{dataset_id:uuid}/lineage", response_model=Success[Lineage])
async def read_lineage(deps: Deps, caller: Caller, dataset_id: Id) -> Response:
    return ok(await deps.lineage(caller, dataset_id))
