"""Wires the register-model function: asked by HTTP and woken by an event, one deed."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from fastapi import APIRouter, FastAPI, Response

from common import postgres, target, web
from common.access.gate import open_gate
from common.access.permission import demand
from common.access.settings import Access
from common.catalogue import receipt
from common.errors import Poison
from common.events import Event, Publisher
from common.jobs import reading, registration
from common.jobs.outbox import Outbox
from common.jobs.view import JobView
from common.settings import Beats, Broker, Database, ReceiptKeys, Storage, Tracking, load
from common.storage.objects import open_objects
from common.tracking.enrolment import Registry, enrol_due
from common.tracking.mlflow import open_mlflow
from functions.register_model.handler import Deps, Wish, register_due, register_model
from functions.register_model.schema import PublicKeys, Registration

PATH = "/llm-ops/v1/training/jobs/{job_id}/register-model"
KEYS_PATH = "/llm-ops/v1/catalog/receipt-keys"


@dataclass(frozen=True)
class State:
    deps: Deps
    registry: Registry


def create_app(environ: Mapping[str, str]) -> FastAPI:
    """The function as an ASGI application. Raises SettingsError."""
    database, broker, storage, beats = load(environ, Database, Broker, Storage, Beats)
    access, keys, tracking = load(environ, Access, ReceiptKeys, Tracking)

    @asynccontextmanager
    async def lifespan() -> AsyncGenerator[State]:
        pool = await postgres.open_pool(database)
        publisher = Publisher(broker.url, token_file=broker.token_file)
        outbox = Outbox(pool, publisher.publish, _now)
        async with open_objects(storage) as objects, open_mlflow(tracking.url) as mlflow:
            send, there_is = outbox.send_soon, mlflow is not None
            deps = Deps(pool, objects, storage.bucket, keys.ring, send, _now, there_is)
            yield State(deps, Registry(pool, mlflow, _now))
        await outbox.close()
        await publisher.close()
        await postgres.close_pool(pool)

    return web.build_app(
        title="register-model",
        lifespan=lifespan,
        ready=lambda state: postgres.schema_is_ready(state.deps.pool),
        routers=[_routes(beats)],
        gate=lambda: open_gate(access),
        consumes=_receive,
    )


async def main(request: Any) -> Any:
    """The functions framework's target."""
    return await target.hand_over(request, create_app)


def _routes(beats: Beats) -> APIRouter:
    routes = web.router()

    @routes.post(PATH, response_model=web.Success[JobView], summary="Register a job's model")
    async def register(
        state: web.Deps, caller: web.Caller, job_id: web.Id, asked: Registration
    ) -> Response:
        deps: Deps = state.deps
        job = await registration.find(deps.pool, job_id)
        demand(caller, job.project_id, "member")
        await register_model(job_id, _wish(asked, caller.subject), deps=deps)
        shown = await reading.find_view(deps.pool, job_id, now=_now(), interval=beats.interval)
        return web.ok(shown, "Model registered")

    @routes.get(KEYS_PATH, response_model=web.Success[PublicKeys], summary="Keys of receipts")
    async def list_keys(state: web.Deps, caller: web.Caller) -> Response:
        return web.ok({"keys": receipt.public_keys(state.deps.ring)})

    return routes


async def _receive(event: Event, state: State) -> None:
    try:
        job_id = UUID(event.subject or "")
    except ValueError:
        raise Poison("The event's subject is no job id.") from None
    await register_due(job_id, deps=state.deps)
    await enrol_due(job_id, state.registry)


def _wish(asked: Registration, by: str) -> Wish:
    return Wish(
        asked.model_name,
        asked.model_version,
        asked.storage_uri,
        asked.owner_team,
        asked.metadata,
        by,
    )


def _now() -> datetime:
    return datetime.now(UTC)
