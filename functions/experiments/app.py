"""Wires the experiments function: a job's run, the search for runs, how the integrations do."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from fastapi import FastAPI, Response

from common import postgres, target, web
from common.access.gate import open_gate
from common.access.settings import Access
from common.settings import Database, Tracking, load
from common.tracking.health import Health
from common.tracking.mlflow import Mlflow
from common.tracking.run import ExperimentRun
from functions.experiments import schema
from functions.experiments.handler import Experiments

API = "/llm-ops/v1"
RUN = f"{API}/training/jobs/{{jobId}}/experiment-run"
# Whoever waits for a page is rather shown our own rows.
PATIENCE = 3.0

routes = web.router()


def create_app(environ: Mapping[str, str]) -> FastAPI:
    """The function as an ASGI application. Raises SettingsError."""
    database, tracking, access = load(environ, Database, Tracking, Access)

    @asynccontextmanager
    async def lifespan() -> AsyncGenerator[Experiments]:
        pool = await postgres.open_pool(database)
        mlflow = Mlflow(tracking.url, total=PATIENCE) if tracking.url else None
        yield Experiments(pool, mlflow, _now)
        if mlflow is not None:
            await mlflow.close()
        await postgres.close_pool(pool)

    return web.build_app(
        title="experiments",
        lifespan=lifespan,
        ready=lambda state: postgres.schema_is_ready(state.pool),
        routers=[routes],
        gate=lambda: open_gate(access),
    )


@routes.get(RUN, response_model=web.Success[ExperimentRun], summary="A job's experiment run")
async def one(deps: web.Deps, user: web.Caller, job_id: schema.JobId) -> Response:
    experiments: Experiments = deps
    return web.ok(*await experiments.one(user, job_id))


@routes.post(RUN, response_model=web.Success[ExperimentRun], summary="Name it, add parameters")
async def say(
    deps: web.Deps, user: web.Caller, job_id: schema.JobId, said: schema.NewRun
) -> Response:
    experiments: Experiments = deps
    return web.ok(*await experiments.say(user, job_id, said))


@routes.post(
    f"{RUN}/metrics", response_model=web.Success[ExperimentRun], summary="Add metrics of a step"
)
async def record(
    deps: web.Deps, user: web.Caller, job_id: schema.JobId, told: schema.NewMetrics
) -> Response:
    experiments: Experiments = deps
    return web.ok(*await experiments.record(user, job_id, told))


@routes.post(
    f"{API}/experiments/search", response_model=web.Success[schema.Runs], summary="Find runs"
)
async def search(deps: web.Deps, user: web.Caller, query: schema.Query) -> Response:
    experiments: Experiments = deps
    return web.ok(*await experiments.search(user, query))


@routes.get(
    f"{API}/health/integrations",
    response_model=web.Success[Health],
    summary="How MLflow does, and what waits for it",
)
async def integrations(deps: web.Deps, user: web.Caller) -> Response:
    experiments: Experiments = deps
    return web.ok(await experiments.health(user))


async def main(request: Any) -> Any:
    """The functions framework's target."""
    return await target.hand_over(request, create_app)


def _now() -> datetime:
    return datetime.now(UTC)
