"""Wires the sources function."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from fastapi import FastAPI, Response

from common import target, web
from common.access.gate import open_gate
from common.access.settings import Access
from common.settings import Storage, load
from common.storage.objects import open_objects
from common.web import Caller, Deps, Success, ok
from functions.sources.handler import Sources
from functions.sources.schema import Kept, NewSource, UploadedSource

PATH = "/llm-ops/v1/training/sources"
COMPLETE = f"{PATH}/complete"

routes = web.router()


def create_app(environ: Mapping[str, str]) -> FastAPI:
    """The function as an ASGI application. Raises SettingsError."""
    storage, access = load(environ, Storage, Access)

    @asynccontextmanager
    async def lifespan() -> AsyncGenerator[Sources]:
        async with open_objects(storage) as objects:
            yield Sources(objects, storage, lambda: datetime.now(UTC))

    return web.build_app(
        title="sources",
        lifespan=lifespan,
        ready=_is_ready,
        routers=[routes],
        gate=lambda: open_gate(access),
    )


async def main(request: Any) -> Any:
    """The functions framework's target."""
    return await target.hand_over(request, create_app)


@routes.post(PATH, response_model=Success[Kept], summary="Bring code, where it is not there yet")
async def begin(deps: Deps, caller: Caller, wanted: NewSource) -> Response:
    return ok(await deps.begin(caller, wanted, COMPLETE))


@routes.post(COMPLETE, response_model=Success[Kept], summary="All parts of the code are there")
async def finish(deps: Deps, caller: Caller, done: UploadedSource) -> Response:
    return ok(await deps.finish(caller, done))


async def _is_ready(_: object) -> bool:
    return True
