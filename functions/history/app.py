"""Wires the history function: a page of everything that is known of a job."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import asyncpg
from fastapi import APIRouter, FastAPI, Response

from common import postgres, target, web
from common.access.gate import open_gate
from common.access.settings import Access
from common.jobs.course import Wanted
from common.jobs.history import Metric, Sign
from common.settings import Database, JobKeys, Storage, load
from common.storage import address, presign
from common.tokens.job_token import JobTokens
from functions.history import schema
from functions.history.handler import (
    Recorder,
    Slice,
    history,
    read_experiment,
    read_logs,
    read_points,
)

JOB = "/llm-ops/v1/training/jobs/{jobId}"
EXPERIMENT = "/llm-ops/v1/training/experiments/{jobId}"
LIFETIME = timedelta(hours=1)
PAGES: Mapping[str, Any] = {
    "timeline": schema.Timeline,
    "attempts": schema.Attempts,
    "checkpoints": schema.Checkpoints,
    "validations": schema.Validations,
    "artifacts": schema.Artifacts,
}


@dataclass(frozen=True)
class State:
    pool: asyncpg.Pool
    sign: Sign
    recorder: Recorder


def create_app(environ: Mapping[str, str]) -> FastAPI:
    """The function as an ASGI application. Raises SettingsError."""
    database, storage, access, jobs = load(environ, Database, Storage, Access, JobKeys)

    @asynccontextmanager
    async def lifespan() -> AsyncGenerator[State]:
        pool = await postgres.open_pool(database)
        recorder = Recorder(pool, JobTokens(jobs.ring), _now)
        yield State(pool, partial(_sign, storage), recorder)
        await postgres.close_pool(pool)

    return web.build_app(
        title="history",
        lifespan=lifespan,
        ready=lambda state: postgres.schema_is_ready(state.pool),
        routers=[_collections(), _figures(), _metrics()],
        gate=lambda: open_gate(access),
    )


def _collections() -> APIRouter:
    routes = web.router()
    for name, page in PAGES.items():
        routes.add_api_route(
            f"{JOB}/{name}",
            _collection(name),
            response_model=web.Success[page],
            summary=f"A job's {name}",
        )
    return routes


def _collection(name: str) -> Any:
    async def read(
        deps: web.Deps,
        user: web.Caller,
        job_id: schema.JobId,
        limit: schema.Limit = 200,
        cursor: schema.Cursor = None,
    ) -> Response:
        state: State = deps
        part = Slice(limit, cursor)
        return web.ok(await history(name, user, job_id, part, pool=state.pool, sign=state.sign))

    read.__name__ = f"read_{name}"
    return read


def _figures() -> APIRouter:
    routes = web.router()

    @routes.get(f"{JOB}/logs", response_model=web.Success[schema.Logs], summary="A job's log")
    async def logs(
        deps: web.Deps,
        user: web.Caller,
        job_id: schema.JobId,
        limit: schema.Limit = 200,
        cursor: schema.Cursor = None,
    ) -> Response:
        state: State = deps
        part = Slice(limit, cursor)
        return web.ok(await read_logs(user, job_id, part, pool=state.pool, sign=state.sign))

    @routes.get(f"{JOB}/points", response_model=web.Success[schema.Points], summary="Its metrics")
    async def points(
        deps: web.Deps,
        user: web.Caller,
        job_id: schema.JobId,
        names: schema.Names = None,
        since: schema.Since = None,
        resolution: schema.Resolution = None,
        attempt: schema.ToldBy = None,
        cursor: schema.Cursor = None,
    ) -> Response:
        state: State = deps
        chosen = frozenset(names.split(",")) if names else None
        wanted = Wanted(chosen, _aware(since), resolution, cursor)
        return web.ok(await read_points(user, job_id, wanted, attempt, pool=state.pool))

    return routes


def _metrics() -> APIRouter:
    routes = web.router()

    @routes.get(EXPERIMENT, response_model=web.Success[schema.Experiment], summary="Figures")
    async def experiment(deps: web.Deps, user: web.Caller, job_id: schema.JobId) -> Response:
        state: State = deps
        return web.ok(await read_experiment(user, job_id, pool=state.pool))

    @routes.post(f"{JOB}/metrics", response_model=web.Success[Metric], summary="Record a figure")
    async def record(
        deps: web.Deps,
        entrance: web.Entrance,
        token: web.Bearer,
        job_id: schema.JobId,
        figure: schema.NewMetric,
    ) -> Response:
        state: State = deps
        identify = entrance.identify
        return web.ok(await state.recorder.record(token, job_id, figure, identify=identify))

    return routes


def _aware(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment and moment.tzinfo is None else moment


def _sign(storage: Storage, uri: str) -> str | None:
    try:
        place = address.parse(uri)
    except address.BadAddress:
        return None
    if place.is_prefix or place.bucket != storage.bucket:
        return None
    return presign.presign(storage, "GET", place.key, _now(), LIFETIME)


async def main(request: Any) -> Any:
    """The functions framework's target."""
    return await target.hand_over(request, create_app)


def _now() -> datetime:
    return datetime.now(UTC)
