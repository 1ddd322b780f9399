"""What must be sent or done, once."""

# SQLModel declares the name of a table as something that no plain string may override.
# pyright: reportIncompatibleVariableOverride=false

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    Column,
    Index,
    PrimaryKeyConstraint,
    Text,
    UniqueConstraint,
    text,
)
from sqlmodel import Field, SQLModel

from common.tables import column


class JobEvent(SQLModel, table=True):
    """A state change: the timeline and, until published, the outbox."""

    __tablename__: ClassVar[str] = "job_events"
    __table_args__ = (
        PrimaryKeyConstraint("job_id", "sequence"),
        column.of_job("job_events"),
        UniqueConstraint("id", name="job_events_id"),
        Index(
            "job_events_unpublished",
            "next_at",
            postgresql_where=text("published_at is null"),
        ),
        Index("job_events_timeline", "job_id", "at", "sequence"),
        Index("job_events_age", "at"),
    )

    id: UUID
    job_id: UUID
    sequence: int = column.bigint(autoincrement=False)
    type: str = column.text()
    source: str = column.text()
    at: datetime = column.instant()
    attempt: int
    status_from: str = column.text()
    status_to: str = column.text()
    data: dict[str, Any] = column.json()
    traceparent: str = column.text()
    published_at: datetime | None = column.optional_instant()
    tries: int = Field(sa_column_kwargs={"server_default": text("0")})
    next_at: datetime = column.instant()


class Work(SQLModel, table=True):
    """What must happen: made in the transition's transaction, tried until done or dead."""

    __tablename__: ClassVar[str] = "work"
    __table_args__ = (
        PrimaryKeyConstraint("kind", "job_id", "attempt"),
        column.of_job("work"),
        CheckConstraint("kind in ('launch', 'register', 'mirror', 'enroll')", name="work_kind"),
        CheckConstraint("state in ('due', 'done', 'dead')", name="work_state"),
        Index("work_due", "next_at", postgresql_where=text("state = 'due'")),
        Index("work_finished", "finished_at", postgresql_where=text("state <> 'due'")),
    )

    kind: str = column.text()
    job_id: UUID
    attempt: int
    state: str = column.text()
    tries: int = Field(sa_column_kwargs={"server_default": text("0")})
    next_at: datetime = column.instant()
    last_error: str | None = column.optional_text()
    created_at: datetime = column.instant()
    finished_at: datetime | None = column.optional_instant()


class IdempotencyKey(SQLModel, table=True):
    """A submission's key, so that its repeat is answered with the same job."""

    __tablename__: ClassVar[str] = "idempotency_keys"
    __table_args__ = (
        PrimaryKeyConstraint("project_id", "subject", "key"),
        Index("idempotency_keys_age", "created_at"),
    )

    project_id: UUID
    subject: str = column.text()
    key: str = column.text()
    digest: str = column.text()
    job_id: UUID
    created_at: datetime = column.instant()


class Lease(SQLModel, table=True):
    """Who may tick, until when, and when a tick was last completed."""

    __tablename__: ClassVar[str] = "leases"

    name: str = Field(sa_column=Column(Text, primary_key=True))
    holder: str | None = column.optional_text()
    expires_at: datetime | None = column.optional_instant()
    started_at: datetime | None = column.optional_instant()
    completed_at: datetime | None = column.optional_instant()
    detail: dict[str, Any] = column.json()
