"""Wires the launch-job function."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
from fastapi import FastAPI

from common import postgres, target, web
from common.errors import Poison
from common.events import Event, Publisher
from common.jobs.outbox import Outbox
from common.launch import access
from common.launch.cluster import Cluster, open_cluster
from common.launch.plan import site_of
from common.settings import Broker, Database, load
from common.settings import Cluster as ClusterSettings
from functions.launch_job.handler import launch_job


@dataclass(frozen=True)
class Deps:
    pool: asyncpg.Pool
    cluster: Cluster
    outbox: Outbox


def create_app(environ: Mapping[str, str]) -> FastAPI:
    """The function as an ASGI application. Raises SettingsError."""
    database, broker, trainers = load(environ, Database, Broker, ClusterSettings)
    site = site_of(environ)

    @asynccontextmanager
    async def lifespan() -> AsyncGenerator[Deps]:
        reached = access.load(trainers.kubeconfig, environ)
        pool = await postgres.open_pool(database)
        publisher = Publisher(broker.url, token_file=broker.token_file)
        async with open_cluster(reached, trainers.namespace) as cluster:
            deps = Deps(pool, cluster, Outbox(pool, publisher.publish, _now))
            yield deps
            await deps.outbox.close()
        await publisher.close()
        await postgres.close_pool(pool)

    async def receive(event: Event, deps: Deps) -> None:
        await launch_job(
            _job_of(event),
            pool=deps.pool,
            cluster=deps.cluster,
            site=site,
            announce=deps.outbox.send_soon,
            now=_now(),
        )

    return web.build_app(
        title="launch-job",
        lifespan=lifespan,
        ready=lambda deps: postgres.schema_is_ready(deps.pool),
        consumes=receive,
    )


async def main(request: Any) -> Any:
    """The functions framework's target."""
    return await target.hand_over(request, create_app)


def _job_of(event: Event) -> UUID:
    try:
        return UUID(event.subject or "")
    except ValueError:
        raise Poison("The event's subject is no job id.") from None


def _now() -> datetime:
    return datetime.now(UTC)
