"""Wires the submit-job function: two paths, one deed."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import asyncpg
from fastapi import APIRouter, FastAPI, Request, Response

from common import postgres, target, trace, web
from common.access.gate import open_gate
from common.access.settings import Access
from common.events import Publisher
from common.jobs.offer import OfferFiles
from common.jobs.outbox import Outbox
from common.jobs.view import JobView
from common.settings import Beats, Broker, Bucket, Config, Database, Environment, load
from functions.submit_job import schema
from functions.submit_job.handler import Answered, Asked, resubmit_job, submit_job

PATHS = ("/llm-ops/v1/training/jobs", "/v1/jobs")


@dataclass(frozen=True)
class State:
    pool: asyncpg.Pool
    outbox: Outbox
    offers: OfferFiles


def create_app(environ: Mapping[str, str]) -> FastAPI:
    """The function as an ASGI application. Raises SettingsError."""
    database, broker, config, running, bucket, beats, access = load(
        environ, Database, Broker, Config, Environment, Bucket, Beats, Access
    )

    @asynccontextmanager
    async def lifespan() -> AsyncGenerator[State]:
        pool = await postgres.open_pool(database)
        publisher = Publisher(broker.url, token_file=broker.token_file)
        state = State(
            pool,
            Outbox(pool, publisher.publish, _now),
            OfferFiles(config.folder, running.name, bucket.name),
        )
        yield state
        await state.outbox.close()
        await publisher.close()
        await postgres.close_pool(pool)

    return web.build_app(
        title="submit-job",
        lifespan=lifespan,
        ready=lambda state: postgres.schema_is_ready(state.pool),
        routers=[_submits(beats), _resubmits(beats)],
        gate=lambda: open_gate(access),
    )


def _submits(beats: Beats) -> APIRouter:
    routes = web.router()

    async def submit(
        request: Request,
        deps: web.Deps,
        user: web.Caller,
        key: schema.IdempotencyKey = None,
        dry_run: schema.DryRun = False,
    ) -> Response:
        state: State = deps
        asked = Asked(await request.json(), user, key, dry_run, _parent())
        return _answer(state, await submit_job(asked, **_at_hand(state, beats)))

    for path in PATHS:
        _add(routes, path, submit, "Submit a job", schema.body())
    return routes


def _resubmits(beats: Beats) -> APIRouter:
    routes = web.router()

    async def resubmit(
        request: Request,
        deps: web.Deps,
        user: web.Caller,
        job_id: schema.JobId,
        key: schema.IdempotencyKey = None,
    ) -> Response:
        state: State = deps
        asked = Asked(await request.json(), user, key, False, _parent())
        return _answer(state, await resubmit_job(job_id, asked, **_at_hand(state, beats)))

    path = f"{PATHS[0]}/{{jobId}}/resubmit"
    _add(routes, path, resubmit, "Submit a job again", schema.resubmit_body())
    return routes


def _add(
    routes: APIRouter, path: str, endpoint: Any, summary: str, body: Mapping[str, Any]
) -> None:
    routes.add_api_route(
        path,
        endpoint,
        methods=["POST"],
        response_model=web.Success[JobView],
        summary=summary,
        openapi_extra=dict(body),
    )


def _at_hand(state: State, beats: Beats) -> dict[str, Any]:
    return {
        "pool": state.pool,
        "offer": state.offers.current(),
        "interval": beats.interval,
        "now": _now(),
    }


def _answer(state: State, answered: Answered) -> Response:
    state.outbox.send_soon(answered.event_ids)
    return web.ok(answered.job)


def _parent() -> trace.TraceParent:
    return trace.parent.get() or trace.start()


async def main(request: Any) -> Any:
    """The functions framework's target."""
    return await target.hand_over(request, create_app)


def _now() -> datetime:
    return datetime.now(UTC)
