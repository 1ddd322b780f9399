"""Wires the gpu-types function: two routes over files that may change at any time."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Query, Response

from common import frameworks as manifests
from common import gpu_types as offered
from common import target, trainers, web
from common.access.gate import open_gate
from common.access.settings import Access
from common.config_file import ConfigFile
from common.environ import ENVIRONMENTS
from common.frameworks import Frameworks
from common.gpu_types import GpuTypes
from common.settings import Config, Environment, load
from common.trainers import Trainers
from functions.gpu_types.handler import frameworks, gpu_types
from functions.gpu_types.schema import FrameworkList, GpuTypeList

PATH = "/llm-ops/v1/training"
Env = Annotated[
    str | None,
    Query(description="by default this one", json_schema_extra={"enum": list(ENVIRONMENTS)}),
]


@dataclass(frozen=True)
class Files:
    gpu_types: ConfigFile[GpuTypes]
    trainers: ConfigFile[Trainers]
    frameworks: ConfigFile[Frameworks]


def create_app(environ: Mapping[str, str]) -> FastAPI:
    """The function as an ASGI application. Raises SettingsError."""
    config, running, access = load(environ, Config, Environment, Access)

    @asynccontextmanager
    async def lifespan() -> AsyncGenerator[Files]:
        yield Files(
            ConfigFile(config.folder / "gpu-types.yaml", offered.parse),
            ConfigFile(config.folder / "trainers.yaml", trainers.parse),
            ConfigFile(config.folder / "frameworks.json", manifests.parse),
        )

    async def ready(files: Files) -> bool:
        return bool(files.gpu_types.current())

    return web.build_app(
        title="gpu-types",
        lifespan=lifespan,
        ready=ready,
        routers=[_routes(running.name)],
        gate=lambda: open_gate(access),
    )


def _routes(running: str) -> APIRouter:
    routes = web.router()

    @routes.get(
        f"{PATH}/gpu-types", response_model=web.Success[GpuTypeList], summary="List GPU types"
    )
    async def read_gpu_types(deps: web.Deps, user: web.Caller, env: Env = None) -> Response:
        files: Files = deps
        name = running if env is None else env
        return web.ok(gpu_types(name, offered=files.gpu_types.current()))

    @routes.get(
        f"{PATH}/frameworks", response_model=web.Success[FrameworkList], summary="List frameworks"
    )
    async def read_frameworks(deps: web.Deps, user: web.Caller, env: Env = None) -> Response:
        files: Files = deps
        return web.ok(
            frameworks(
                running if env is None else env,
                offered=files.gpu_types.current(),
                trainers=files.trainers.current(),
                manifests=files.frameworks.current(),
            )
        )

    return routes


async def main(request: Any) -> Any:
    """The functions framework's target."""
    return await target.hand_over(request, create_app)
