"""Wires the webhooks function."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from fastapi import APIRouter, FastAPI, Response

from common import postgres, target, trainers, web
from common.access.gate import open_gate
from common.access.settings import Access
from common.config_file import ConfigFile
from common.events import Event, Publisher
from common.jobs import webhook
from common.settings import Broker, Config, Database, Environment, load
from common.web import Success
from common.webhooks.delivery import Wanted
from eventing.catalogue import EventType
from functions.webhooks import schema
from functions.webhooks.handler import Webhooks, readable

WEBHOOKS = "/llm-ops/v1/webhooks"
WEBHOOK = WEBHOOKS + "/{webhookId:uuid}"
DELIVERIES = WEBHOOKS + "/deliveries"


def create_app(environ: Mapping[str, str]) -> FastAPI:
    """The function as an ASGI application. Raises SettingsError."""
    database, broker, config, running, access = load(
        environ, Database, Broker, Config, Environment, Access
    )

    @asynccontextmanager
    async def lifespan() -> AsyncGenerator[Webhooks]:
        offered = ConfigFile(config.folder / "trainers.yaml", trainers.parse)
        pool = await postgres.open_pool(database)
        publisher = Publisher(broker.url, token_file=broker.token_file)

        async def wake() -> None:
            await publisher.publish(_request())

        yield Webhooks(pool, lambda: webhook.policy_of(offered.current(), running.name), wake, _now)
        await publisher.close()
        await postgres.close_pool(pool)

    return web.build_app(
        title="webhooks",
        lifespan=lifespan,
        ready=lambda deps: postgres.schema_is_ready(deps.pool),
        routers=[_webhooks(), _secrets(), _deliveries()],
        gate=lambda: open_gate(access),
    )


def _webhooks() -> APIRouter:
    routes = web.router()

    @routes.get(WEBHOOKS, response_model=Success[schema.Webhooks], summary="List webhooks")
    async def page(
        deps: web.Deps, user: web.Caller, project_id: schema.InProject = None
    ) -> Response:
        return web.ok(await deps.list(user, project_id))

    @routes.post(WEBHOOKS, response_model=Success[schema.CreatedWebhook], summary="Add a webhook")
    async def create(deps: web.Deps, user: web.Caller, wanted: schema.NewWebhook) -> Response:
        return web.ok(await deps.create(user, wanted), "Webhook created; keep its secret")

    @routes.delete(WEBHOOK, response_model=Success[schema.Webhook], summary="Delete a webhook")
    async def delete(deps: web.Deps, user: web.Caller, webhook_id: schema.WebhookId) -> Response:
        return web.ok(await deps.delete(user, webhook_id), "Webhook deleted")

    return routes


def _secrets() -> APIRouter:
    routes = web.router()

    @routes.post(
        f"{WEBHOOK}/secret", response_model=Success[schema.Secret], summary="Change its secret"
    )
    async def rotate(deps: web.Deps, user: web.Caller, webhook_id: schema.WebhookId) -> Response:
        return web.ok(await deps.rotate(user, webhook_id))

    @routes.post(
        f"{WEBHOOKS}/secret",
        response_model=Success[schema.Secret],
        summary="Make or change the secret for addresses that jobs name",
    )
    async def rotate_of_project(
        deps: web.Deps, user: web.Caller, project_id: schema.InProject = None
    ) -> Response:
        return web.ok(await deps.rotate_of_project(user, project_id))

    return routes


def _deliveries() -> APIRouter:
    routes = web.router()

    @routes.post(
        f"{WEBHOOK}/test", response_model=Success[schema.Delivery], summary="Send it a test"
    )
    async def test(deps: web.Deps, user: web.Caller, webhook_id: schema.WebhookId) -> Response:
        return web.ok(await deps.test(user, webhook_id), "Test sent")

    @routes.get(
        DELIVERIES, response_model=Success[schema.Deliveries], summary="What was told to whom"
    )
    async def deliveries(
        deps: web.Deps,
        user: web.Caller,
        project_id: schema.InProject = None,
        webhook_id: schema.OfWebhook = None,
        job_id: schema.OfJob = None,
        state: schema.State | None = None,
        limit: schema.Limit = 50,
        cursor: schema.Cursor = None,
    ) -> Response:
        wanted = Wanted(readable(user, project_id), webhook_id, job_id, state)
        return web.ok(await deps.deliveries(wanted, limit=limit, after=cursor))

    @routes.post(
        DELIVERIES + "/{deliveryId:uuid}/redeliver",
        response_model=Success[schema.Delivery],
        summary="Send it again",
    )
    async def redeliver(
        deps: web.Deps, user: web.Caller, delivery_id: schema.DeliveryId
    ) -> Response:
        return web.ok(await deps.redeliver(user, delivery_id), "Sent again")

    return routes


async def main(request: Any) -> Any:
    """The functions framework's target."""
    return await target.hand_over(request, create_app)


def _request() -> Event:
    return Event(str(uuid4()), "webhooks", EventType.DELIVERY_REQUESTED, time=_now(), data={})


def _now() -> datetime:
    return datetime.now(UTC)
