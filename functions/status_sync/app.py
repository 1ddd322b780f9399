"""Wires the status-sync function."""

import random
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from fastapi import FastAPI, Response

from common import postgres, target, web
from common.config_file import ConfigFile
from common.events import Event, Publisher
from common.jobs.retry import RetryRules
from common.launch import access
from common.launch.cluster import open_cluster
from common.launch.plan import site_of
from common.settings import Broker, Config, Database, Storage, Timing, load
from common.settings import Cluster as ClusterSettings
from common.storage.objects import open_objects
from common.sync import lease, retention
from common.sync.decide import Limits
from common.sync.tick import LEASE, Tools, age_of
from functions.status_sync.handler import status_sync

TICK = "/tickz"


def create_app(environ: Mapping[str, str]) -> FastAPI:
    """The function as an ASGI application. Raises SettingsError."""
    database, broker, trainers, storage = load(environ, Database, Broker, ClusterSettings, Storage)
    config, timing = load(environ, Config, Timing)
    site = site_of(environ)

    @asynccontextmanager
    async def lifespan() -> AsyncGenerator[Tools]:
        reached = access.load(trainers.kubeconfig, environ)
        rules = ConfigFile(config.folder / "retry-rules.yaml", RetryRules.parse)
        kept = ConfigFile(config.folder / "retention.yaml", retention.parse)
        pool = await postgres.open_pool(database)
        publisher = Publisher(broker.url, token_file=broker.token_file)
        async with (
            open_cluster(reached, trainers.namespace) as cluster,
            open_objects(storage) as objects,
        ):
            yield Tools(
                pool=pool,
                cluster=cluster,
                objects=objects,
                site=site,
                publish=publisher.publish,
                rules=rules.current,
                retention=kept.current,
                limits=Limits(timing.stall_after, timing.cancel_grace, timing.start_limit),
                interval=timing.sync_interval,
                now=_now,
                jitter=random.random,
            )
        await publisher.close()
        await postgres.close_pool(pool)

    async def receive(event: Event, tools: Tools) -> None:
        await status_sync(tools)

    return web.build_app(
        title="status-sync",
        lifespan=lifespan,
        ready=lambda tools: postgres.schema_is_ready(tools.pool),
        routers=[_health()],
        consumes=receive,
    )


async def main(request: Any) -> Any:
    """The functions framework's target."""
    return await target.hand_over(request, create_app)


def _health() -> Any:
    router = web.router()

    @router.get(TICK, include_in_schema=False)
    async def last_tick(tools: web.Deps) -> Response:
        age = await lease.read_age(tools.pool, LEASE)
        seconds = age_of(age.completed_at, tools.now())
        return web.ok({"ageSeconds": seconds, "completedAt": age.completed_at, "found": age.detail})

    return router


def _now() -> datetime:
    return datetime.now(UTC)
