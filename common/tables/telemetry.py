"""What trainers tell, and what they leave behind."""

# SQLModel declares the name of a table as something that no plain string may override.
# pyright: reportIncompatibleVariableOverride=false

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID, uuid4

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    Index,
    PrimaryKeyConstraint,
    UniqueConstraint,
    text,
)
from sqlmodel import Field, SQLModel

from common.tables import column


class Beat(SQLModel, table=True):
    """The narrow row that heartbeats touch. Only the primary key is indexed, so that updates stay
    on their page; attempt and open-flag change in the transition's own transaction."""

    __tablename__: ClassVar[str] = "beats"
    __table_args__ = (
        column.of_job("beats"),
        {"postgresql_with": {"fillfactor": "50"}},
    )

    job_id: UUID = Field(primary_key=True)
    attempt: int
    open: bool
    waiting: bool
    command: str = column.text()
    sequence: int = column.bigint(server_default=text("0"))
    reported: int = column.bigint(server_default=text("0"))
    last_seen: datetime | None = column.optional_instant()
    progressed_at: datetime | None = column.optional_instant()
    marker: str | None = column.optional_text()
    body: dict[str, Any] | None = column.optional_json()


class Heartbeat(SQLModel, table=True):
    """History: one row a heartbeat, keyed so that a repeat is ignored.

    No foreign key here, nor on what else is written under the beat's lock: it would lock the job
    after the beat, against the order that transitions keep."""

    __tablename__: ClassVar[str] = "heartbeats"
    __table_args__ = (PrimaryKeyConstraint("job_id", "attempt", "sequence"),)

    job_id: UUID
    attempt: int
    sequence: int = column.bigint(autoincrement=False)
    received_at: datetime = column.instant()
    body: dict[str, Any] = column.json()


class Report(SQLModel, table=True):
    """What a trainer told, numbered per job. A repeated CloudEvent finds its row."""

    __tablename__: ClassVar[str] = "reports"
    __table_args__ = (
        PrimaryKeyConstraint("job_id", "number"),
        UniqueConstraint("job_id", "attempt", "event_key", name="reports_event_key"),
        Index(
            "reports_timeline",
            "job_id",
            "received_at",
            "number",
            postgresql_where=text("type <> 'log'"),
        ),
        Index(
            "reports_validations",
            "job_id",
            "number",
            postgresql_where=text("type = 'validation'"),
        ),
        Index("reports_age", "received_at", postgresql_where=text("type <> 'log'")),
        Index("reports_logs_age", "received_at", postgresql_where=text("type = 'log'")),
    )

    job_id: UUID
    number: int = column.bigint(autoincrement=False)
    attempt: int
    event_key: str = column.text()
    type: str = column.text()
    payload: dict[str, Any] = column.json()
    occurred_at: datetime = column.instant()
    received_at: datetime = column.instant()


class Checkpoint(SQLModel, table=True):
    """A checkpoint whose upload was complete, made by a fenced event."""

    __tablename__: ClassVar[str] = "checkpoints"
    __table_args__ = (UniqueConstraint("job_id", "number", name="checkpoints_report"),)

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    job_id: UUID
    attempt: int
    number: int = column.bigint(autoincrement=False)
    name: str = column.text()
    uri: str = column.text()
    sha256: str = column.text()
    size: int = column.bigint()
    step: int | None = Field(default=None, sa_column=Column(BigInteger))
    epoch: int | None = Field(default=None, sa_column=Column(BigInteger))
    metrics: dict[str, Any] | None = column.optional_json()
    created_at: datetime = column.instant()


class Artifact(SQLModel, table=True):
    """A file that an attempt left behind in S3."""

    __tablename__: ClassVar[str] = "artifacts"
    __table_args__ = (PrimaryKeyConstraint("job_id", "attempt", "name"), column.of_job("artifacts"))

    job_id: UUID
    attempt: int
    name: str = column.text()
    uri: str = column.text()
    sha256: str | None = column.optional_text()
    size: int | None = Field(default=None, sa_column=Column(BigInteger))
    created_at: datetime = column.instant()


class Metric(SQLModel, table=True):
    """A single figure that a person or a trainer recorded beside the heartbeats."""

    __tablename__: ClassVar[str] = "metrics"
    __table_args__ = (
        column.of_job("metrics"),
        Index("metrics_of_job", "job_id", "recorded_at", "id"),
    )

    id: UUID = Field(primary_key=True)
    job_id: UUID
    name: str = column.text()
    value: float = Field(sa_column=Column(Double, nullable=False))
    unit: str | None = column.optional_text()
    step: int | None = Field(default=None, sa_column=Column(BigInteger))
    recorded_at: datetime = column.instant()
    mirrored_at: datetime | None = column.optional_instant()
