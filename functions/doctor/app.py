"""Wires the doctor function."""

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
from common.doctor.settings import Home, Ticks
from common.launch import access
from common.launch.cluster import Cluster, open_cluster
from common.settings import Database, SettingsError, Storage, Tracking, load
from common.storage.objects import Objects, open_objects
from functions.doctor import schema
from functions.doctor.handler import doctor

DOCTOR = "/llm-ops/v1/admin/doctor"


@dataclass(frozen=True)
class State:
    pool: asyncpg.Pool
    objects: Objects
    cluster: Cluster | None


def create_app(environ: Mapping[str, str]) -> FastAPI:
    """The function as an ASGI application. Raises SettingsError."""
    database, storage, home, ticks, entry = load(environ, Database, Storage, Home, Ticks, Access)
    (tracking,) = load(environ, Tracking)

    @asynccontextmanager
    async def lifespan() -> AsyncGenerator[State]:
        pool = await postgres.open_pool(database)
        async with open_objects(storage) as objects, _open_cluster(home, environ) as cluster:
            yield State(pool, objects, cluster)
        await postgres.close_pool(pool)

    return web.build_app(
        title="doctor",
        lifespan=lifespan,
        ready=_always,
        routers=[_routes(storage, ticks, tracking)],
        gate=lambda: open_gate(entry),
    )


def _routes(storage: Storage, ticks: Ticks, tracking: Tracking) -> APIRouter:
    routes = web.router()

    @routes.get(
        DOCTOR,
        response_model=web.Success[schema.Looks],
        summary="What is wrong with this installation, seen from inside",
    )
    async def look(deps: web.Deps, user: web.Caller) -> Response:
        state: State = deps
        found = await doctor(
            user,
            pool=state.pool,
            objects=state.objects,
            bucket=storage.bucket,
            cluster=state.cluster,
            interval=ticks.interval,
            mlflow=tracking.url,
            now=datetime.now(UTC),
        )
        return web.ok(found)

    return routes


@asynccontextmanager
async def _open_cluster(home: Home, environ: Mapping[str, str]) -> AsyncGenerator[Cluster | None]:
    """None where nothing says how to reach it, which is a finding and no reason to be silent."""
    try:
        reached = access.load(home.kubeconfig, environ)
    except SettingsError:
        yield None
        return
    async with open_cluster(reached, reached.namespace) as cluster:
        yield cluster


async def main(request: Any) -> Any:
    """The functions framework's target."""
    return await target.hand_over(request, create_app)


async def _always(state: State) -> bool:
    """Also on a schema that is behind: somebody has to say so."""
    return True
