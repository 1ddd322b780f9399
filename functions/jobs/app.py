"""Wires the jobs function: the list, one job, and its end on demand."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, FastAPI, Response

from common import postgres, target, web
from common.access.gate import open_gate
from common.access.settings import Access
from common.events import Publisher
from common.jobs.label import read_labels
from common.jobs.outbox import Outbox
from common.jobs.reading import Filter
from common.jobs.view import JobView
from common.settings import Beats, Broker, Database, load
from functions.jobs import schema
from functions.jobs.handler import Jobs

JOBS = "/llm-ops/v1/training/jobs"
JOB = JOBS + "/{jobId}"
SHORT_JOB = "/v1/jobs/{jobId}"


@dataclass(frozen=True)
class State:
    jobs: Jobs
    outbox: Outbox


def create_app(environ: Mapping[str, str]) -> FastAPI:
    """The function as an ASGI application. Raises SettingsError."""
    database, broker, beats, access = load(environ, Database, Broker, Beats, Access)

    @asynccontextmanager
    async def lifespan() -> AsyncGenerator[State]:
        pool = await postgres.open_pool(database)
        publisher = Publisher(broker.url, token_file=broker.token_file)
        outbox = Outbox(pool, publisher.publish, _now)
        yield State(Jobs(pool, beats.interval, _now), outbox)
        await outbox.close()
        await publisher.close()
        await postgres.close_pool(pool)

    return web.build_app(
        title="jobs",
        lifespan=lifespan,
        ready=lambda state: postgres.schema_is_ready(state.jobs.pool),
        routers=[_reads(), _cancels()],
        gate=lambda: open_gate(access),
    )


def _reads() -> APIRouter:
    routes = web.router()

    @routes.get(JOBS, response_model=web.Success[schema.JobList], summary="List jobs")
    async def page(
        deps: web.Deps,
        user: web.Caller,
        status: schema.Statuses = None,
        model_id: schema.ModelId = None,
        project_id: schema.ProjectId = None,
        submitted_by: schema.SubmittedBy = None,
        label: schema.Labels = None,
        q: schema.Prefix = None,
        limit: schema.Limit = 50,
        cursor: schema.Cursor = None,
    ) -> Response:
        state: State = deps
        projects = [project_id] if project_id else []
        labels = read_labels(label)
        wanted = Filter(projects, status or None, model_id, submitted_by, labels, q)
        return web.ok(await state.jobs.page(user, wanted, limit=limit, after=cursor))

    async def one(deps: web.Deps, user: web.Caller, job_id: schema.JobId) -> Response:
        state: State = deps
        return web.ok(await state.jobs.one(user, job_id))

    for path in (JOB, SHORT_JOB):
        _add(routes, "GET", path, one, "Show a job")
    return routes


def _cancels() -> APIRouter:
    routes = web.router()

    async def cancel(deps: web.Deps, user: web.Caller, job_id: schema.JobId) -> Response:
        state: State = deps
        job, event_ids = await state.jobs.cancel(user, job_id)
        state.outbox.send_soon(event_ids)
        return web.ok(job)

    cancels = (("DELETE", JOB), ("POST", f"{JOB}/cancel"), ("POST", f"{SHORT_JOB}/cancel"))
    for method, path in cancels:
        _add(routes, method, path, cancel, "Cancel a job")
    return routes


def _add(routes: APIRouter, method: str, path: str, endpoint: Any, summary: str) -> None:
    routes.add_api_route(
        path, endpoint, methods=[method], response_model=web.Success[JobView], summary=summary
    )


async def main(request: Any) -> Any:
    """The functions framework's target."""
    return await target.hand_over(request, create_app)


def _now() -> datetime:
    return datetime.now(UTC)
