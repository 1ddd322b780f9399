"""Wires the gpu-types function: one route over a file that may change at any time."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import FastAPI, Query, Response

from common import gpu_types as offered
from common import target, web
from common.access.gate import open_gate
from common.access.settings import Access
from common.config_file import ConfigFile
from common.environ import ENVIRONMENTS
from common.gpu_types import GpuTypes
from common.settings import Config, Environment, load
from functions.gpu_types.handler import gpu_types
from functions.gpu_types.schema import GpuTypeList

PATH = "/llm-ops/v1/training/gpu-types"
Env = Annotated[
    str | None,
    Query(description="by default this one", json_schema_extra={"enum": list(ENVIRONMENTS)}),
]


def create_app(environ: Mapping[str, str]) -> FastAPI:
    """The function as an ASGI application. Raises SettingsError."""
    config, running, access = load(environ, Config, Environment, Access)

    @asynccontextmanager
    async def lifespan() -> AsyncGenerator[ConfigFile[GpuTypes]]:
        yield ConfigFile(config.folder / "gpu-types.yaml", offered.parse)

    async def ready(file: ConfigFile[GpuTypes]) -> bool:
        return bool(file.current())

    routes = web.router()

    @routes.get(PATH, response_model=web.Success[GpuTypeList], summary="List GPU types")
    async def read(deps: web.Deps, user: web.Caller, env: Env = None) -> Response:
        file: ConfigFile[GpuTypes] = deps
        name = running.name if env is None else env
        return web.ok(gpu_types(name, offered=file.current()))

    return web.build_app(
        title="gpu-types",
        lifespan=lifespan,
        ready=ready,
        routers=[routes],
        gate=lambda: open_gate(access),
    )


async def main(request: Any) -> Any:
    """The functions framework's target."""
    return await target.hand_over(request, create_app)
