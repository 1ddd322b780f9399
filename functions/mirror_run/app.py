"""Wires the mirror-run function, which alone writes runs to MLflow."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import UUID

import asyncpg
from fastapi import FastAPI

from common import postgres, target, web
from common.errors import Poison
from common.events import Event
from common.settings import Database, Storage, Tracking, load
from common.storage.objects import open_objects
from common.tracking.mlflow import open_mlflow
from common.webhooks.courier import Courier
from eventing.catalogue import EventType
from functions.mirror_run.handler import Deps, mirror_run


@dataclass(frozen=True)
class State:
    pool: asyncpg.Pool
    courier: Courier


def create_app(environ: Mapping[str, str]) -> FastAPI:
    """The function as an ASGI application. Raises SettingsError."""
    database, storage, tracking = load(environ, Database, Storage, Tracking)

    @asynccontextmanager
    async def lifespan() -> AsyncGenerator[State]:
        pool = await postgres.open_pool(database)
        async with open_objects(storage) as objects, open_mlflow(tracking.url) as mlflow:
            deps = Deps(pool, mlflow, objects, storage.bucket, _now)
            courier = Courier(partial(mirror_run, deps=deps))
            yield State(pool, courier)
            await courier.close()
        await postgres.close_pool(pool)

    return web.build_app(
        title="mirror-run",
        lifespan=lifespan,
        ready=lambda state: postgres.schema_is_ready(state.pool),
        consumes=_receive,
    )


async def main(request: Any) -> Any:
    """The functions framework's target."""
    return await target.hand_over(request, create_app)


async def _receive(event: Event, state: State) -> None:
    """Answered before anything is carried: a broker answers its publisher no sooner."""
    state.courier.send_soon(_job_of(event))


def _job_of(event: Event) -> UUID | None:
    if event.type == EventType.MIRROR_REQUESTED:
        return None
    try:
        return UUID(event.subject or "")
    except ValueError:
        raise Poison("The event's subject is no job id.") from None


def _now() -> datetime:
    return datetime.now(UTC)
