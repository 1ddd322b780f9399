"""Webhooks and their deliveries as clients send and see them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from uuid import UUID

from fastapi import Path, Query
from pydantic import Field
from typing_extensions import TypedDict

from common.web import Body, Id
from common.webhooks.subscription import TELLING

WebhookId = Annotated[Id, Path(alias="webhookId")]
DeliveryId = Annotated[Id, Path(alias="deliveryId")]
InProject = Annotated[Id | None, Query(alias="projectId")]
OfWebhook = Annotated[Id | None, Query(alias="webhookId")]
OfJob = Annotated[Id | None, Query(alias="jobId")]
State = Literal["due", "delivered", "failed"]
Limit = Annotated[int, Query(ge=1, le=200)]
Cursor = Annotated[str | None, Query(max_length=1024)]
EventName = Literal[
    "job.submitted", "job.queued", "job.started", "job.stalled", "job.retry_scheduled",
    "job.succeeded", "job.failed", "job.cancel_requested", "job.cancelled", "model.registered",
]  # fmt: skip


class NewWebhook(Body):
    """Whom to tell; of everything, where no events are named."""

    url: Annotated[str, Field(min_length=1, max_length=2000)]
    events: list[EventName] = Field(default_factory=list[EventName], max_length=len(TELLING))
    project_id: Id | None = None


class Webhook(TypedDict):
    id: UUID
    projectId: UUID
    url: str
    events: list[str]
    createdBy: str
    createdAt: datetime


class CreatedWebhook(Webhook):
    """The secret is shown here and never again."""

    secret: str


class Webhooks(TypedDict):
    webhooks: list[Webhook]


class Secret(TypedDict):
    """The one before signs beside it until then."""

    secret: str
    formerUntil: datetime


class Try(TypedDict):
    """`code` is null where nobody answered; `error` is null where it was taken."""

    at: datetime
    code: int | None
    seconds: float
    error: str | None


class Delivery(TypedDict):
    """`to` is the address without what may be secret in it; `webhookId` is null where the job
    named the address. `nextTryAt` is null once it is over."""

    id: UUID
    projectId: UUID
    webhookId: UUID | None
    jobId: UUID | None
    event: str
    to: str
    state: State
    tries: int
    nextTryAt: datetime | None
    createdAt: datetime
    finishedAt: datetime | None
    log: list[Try]


class Deliveries(TypedDict):
    deliveries: list[Delivery]
    nextCursor: str | None


def show_webhook(row: Mapping[str, Any]) -> Webhook:
    return {
        "id": row["id"],
        "projectId": row["project_id"],
        "url": row["url"],
        "events": row["events"],
        "createdBy": row["created_by"],
        "createdAt": row["created_at"],
    }


def show_delivery(row: Mapping[str, Any]) -> Delivery:
    target = urlsplit(row["url"])
    return {
        "id": row["id"],
        "projectId": row["project_id"],
        "webhookId": row["webhook_id"],
        "jobId": row["job_id"],
        "event": row["event_type"].removeprefix("dev.eventrain.").removesuffix(".v1"),
        "to": f"{target.scheme}://{target.netloc}",
        "state": row["state"],
        "tries": row["tries"],
        "nextTryAt": row["next_at"] if row["state"] == "due" else None,
        "createdAt": row["created_at"],
        "finishedAt": row["finished_at"],
        "log": row["tried"],
    }
