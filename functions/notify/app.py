"""Wires the notify function, the only one that calls addresses that users chose."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import UUID

import asyncpg
from fastapi import FastAPI

from common import postgres, target, trainers, web
from common.config_file import ConfigFile
from common.errors import Poison
from common.events import Event
from common.jobs import webhook
from common.settings import Config, Database, Environment, load
from common.webhooks.courier import Courier
from common.webhooks.post import Sender, open_client
from eventing.catalogue import EventType
from functions.notify.handler import notify


def create_app(environ: Mapping[str, str]) -> FastAPI:
    """The function as an ASGI application. Raises SettingsError."""
    database, config, running = load(environ, Database, Config, Environment)

    @asynccontextmanager
    async def lifespan() -> AsyncGenerator[tuple[asyncpg.Pool, Courier]]:
        offered = ConfigFile(config.folder / "trainers.yaml", trainers.parse)
        pool = await postgres.open_pool(database)
        async with open_client() as client:
            sender = Sender(client, lambda: webhook.policy_of(offered.current(), running.name))
            courier = Courier(partial(notify, pool=pool, sender=sender, now=_now))
            yield pool, courier
            await courier.close()
        await postgres.close_pool(pool)

    return web.build_app(
        title="notify",
        lifespan=lifespan,
        ready=lambda deps: postgres.schema_is_ready(deps[0]),
        consumes=_receive,
    )


async def main(request: Any) -> Any:
    """The functions framework's target."""
    return await target.hand_over(request, create_app)


async def _receive(event: Event, deps: tuple[asyncpg.Pool, Courier]) -> None:
    _, courier = deps
    courier.send_soon(_job_of(event))


def _job_of(event: Event) -> UUID | None:
    if event.type == EventType.DELIVERY_REQUESTED:
        return None
    try:
        return UUID(event.subject or "")
    except ValueError:
        raise Poison("The event's subject is no job id.") from None


def _now() -> datetime:
    return datetime.now(UTC)
