"""Webhooks of a project, and the secrets that sign what they are told.

A secret is shown once, when it is made. After a rotation the one before signs beside it for
OVERLAP, so that a receiver may change over when it likes.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from common.errors import Conflict
from common.postgres import Connection, Queryable, statement
from common.webhooks import signature
from eventing.catalogue import EventType

OVERLAP = timedelta(hours=24)
MOST = 50
TELLING = tuple(
    each.removeprefix("dev.eventrain.").removesuffix(".v1")
    for each in EventType
    if each.startswith(("dev.eventrain.job.", "dev.eventrain.model."))
)

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Webhook:
    """Whom to tell of which events, by their short names."""

    id: UUID
    project_id: UUID
    url: str
    events: Sequence[str]
    created_by: str


async def add(connection: Connection, webhook: Webhook, *, now: datetime) -> tuple[Row, str]:
    """The row and its secret. Raises Conflict where the project has as many as it may."""
    row = await connection.fetchrow(
        statement("insert_webhook"),
        webhook.id,
        webhook.project_id,
        webhook.url,
        list(webhook.events),
        webhook.created_by,
        now,
        MOST,
    )
    if row is None:
        raise Conflict(f"A project has at most {MOST} webhooks; delete one first.")
    return row, await rotate(connection, webhook.id, now=now)


async def find(connection: Queryable, webhook_id: UUID) -> Row | None:
    """One webhook."""
    return await connection.fetchrow(statement("read_webhook"), webhook_id)


async def all_of(connection: Queryable, projects: Collection[UUID]) -> Sequence[Row]:
    """The webhooks of these projects, the oldest first."""
    return await connection.fetch(statement("list_webhooks"), list(projects))


async def remove(connection: Queryable, webhook_id: UUID) -> None:
    """Takes the secret along; what is still to be delivered fails, and says why."""
    await connection.execute(statement("delete_webhook"), webhook_id)


async def rotate(connection: Queryable, owner_id: UUID, *, now: datetime) -> str:
    """A fresh secret for a webhook, or for a project's own addresses."""
    secret = signature.make_secret()
    await connection.execute(statement("rotate_secret"), owner_id, secret, now + OVERLAP)
    return secret
