"""Wires the submit-job function: two paths, one deed."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import asyncpg
from fastapi import APIRouter, FastAPI, Request, Response

from common import postgres, trace, web
from common.events import Publisher
from common.jobs.offer import OfferFiles
from common.jobs.outbox import Outbox
from common.jobs.view import JobView
from common.settings import Broker, Config, Database, Environment, Storage, Timing, UserKeys, load
from common.tokens.user_token import UserTokens
from functions.submit_job import schema
from functions.submit_job.handler import Asked, submit_job

PATHS = ("/llm-ops/v1/training/jobs", "/v1/jobs")


@dataclass(frozen=True)
class State:
    pool: asyncpg.Pool
    outbox: Outbox
    offers: OfferFiles


def create_app(environ: Mapping[str, str]) -> FastAPI:
    """The function as an ASGI application. Raises SettingsError."""
    database, broker, config, running, storage, timing, keys = load(
        environ, Database, Broker, Config, Environment, Storage, Timing, UserKeys
    )

    @asynccontextmanager
    async def lifespan() -> AsyncGenerator[State]:
        pool = await postgres.open_pool(database)
        publisher = Publisher(broker.url)
        state = State(
            pool,
            Outbox(pool, publisher.publish, _now),
            OfferFiles(config.folder, running.name, storage.bucket),
        )
        yield state
        await state.outbox.close()
        await publisher.close()
        await postgres.close_pool(pool)

    return web.build_app(
        title="submit-job",
        lifespan=lifespan,
        ready=lambda state: postgres.schema_is_ready(state.pool),
        routers=[_routes(timing)],
        user_tokens=UserTokens(keys.ring),
    )


def _routes(timing: Timing) -> APIRouter:
    routes = web.router()

    async def submit(
        request: Request,
        deps: web.Deps,
        user: web.Caller,
        key: schema.IdempotencyKey = None,
        dry_run: schema.DryRun = False,
    ) -> Response:
        state: State = deps
        parent = trace.parent.get() or trace.start()
        answered = await submit_job(
            Asked(await request.json(), user, key, dry_run, parent),
            pool=state.pool,
            offer=state.offers.current(),
            interval=timing.heartbeat_interval,
            now=_now(),
        )
        state.outbox.send_soon(answered.event_ids)
        return web.ok(answered.job)

    for path in PATHS:
        routes.add_api_route(
            path,
            submit,
            methods=["POST"],
            response_model=web.Success[JobView],
            summary="Submit a job",
            openapi_extra=schema.body(),
        )
    return routes


async def main(request: Any) -> Any:
    """The target of the functions framework: hands over to the application."""
    return request.app.state.function


def _now() -> datetime:
    return datetime.now(UTC)
