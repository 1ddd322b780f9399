"""Who is told of what, and what became of telling it."""

# SQLModel declares the name of a table as something that no plain string may override.
# pyright: reportIncompatibleVariableOverride=false

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, text
from sqlmodel import Field, SQLModel

from common.tables import column


class Webhook(SQLModel, table=True):
    """A project's standing wish to be told; `events` are the short names of event types."""

    __tablename__: ClassVar[str] = "webhooks"
    __table_args__ = (Index("webhooks_of_project", "project_id"),)

    id: UUID = Field(primary_key=True)
    project_id: UUID
    url: str = column.text()
    events: list[str] = column.json("[]")
    created_by: str = column.text()
    created_at: datetime = column.instant()


class WebhookSecret(SQLModel, table=True):
    """What signs the deliveries of a webhook or, under the project's own id, those to addresses
    that its jobs name. The former one signs beside it for a while."""

    __tablename__: ClassVar[str] = "webhook_secrets"

    owner_id: UUID = Field(primary_key=True)
    secret: str = column.text()
    former_secret: str | None = column.optional_text()
    former_until: datetime | None = column.optional_instant()


class WebhookDelivery(SQLModel, table=True):
    """One event for one address: made in the transition's transaction, tried until delivered or
    failed. Without an event it is a test. `webhook_id` is no foreign key: a webhook that is
    deleted must not stand in a transition's way."""

    __tablename__: ClassVar[str] = "webhook_deliveries"
    __table_args__ = (
        column.of_job("webhook_deliveries"),
        CheckConstraint("state in ('due', 'delivered', 'failed')", name="webhook_deliveries_state"),
        Index("webhook_deliveries_due", "next_at", postgresql_where=text("state = 'due'")),
        Index(
            "webhook_deliveries_finished", "finished_at", postgresql_where=text("state <> 'due'")
        ),
        Index("webhook_deliveries_of_job", "job_id"),
        Index("webhook_deliveries_newest", "project_id", text("created_at desc"), text("id desc")),
    )

    id: UUID = Field(primary_key=True)
    project_id: UUID
    webhook_id: UUID | None = None
    job_id: UUID | None = None
    event_id: UUID | None = None
    event_type: str = column.text()
    url: str = column.text()
    state: str = column.text()
    tries: int = Field(sa_column_kwargs={"server_default": text("0")})
    next_at: datetime = column.instant()
    leased_until: datetime | None = column.optional_instant()
    tried: list[Any] = column.json("[]")
    created_at: datetime = column.instant()
    finished_at: datetime | None = column.optional_instant()
