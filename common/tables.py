"""The tables, as SQLModel declares them. Alembic migrates to exactly this.

Hot and state-changing statements do not use these classes: they are written out in queries.sql.
"""

# SQLModel declares the name of a table as something that no plain string may override.
# pyright: reportIncompatibleVariableOverride=false

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID, uuid4

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Double,
    ForeignKeyConstraint,
    Index,
    PrimaryKeyConstraint,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel


def _text(**options: Any) -> Any:
    return Field(sa_column=Column(Text, nullable=False, **options))


def _optional_text() -> Any:
    return Field(default=None, sa_column=Column(Text))


def _instant() -> Any:
    return Field(sa_column=Column(DateTime(timezone=True), nullable=False))


def _optional_instant() -> Any:
    return Field(default=None, sa_column=Column(DateTime(timezone=True)))


def _json(default: str = "{}") -> Any:
    column = Column(JSONB, nullable=False, server_default=text(f"'{default}'"))
    return Field(default_factory=dict, sa_column=column)


def _optional_json() -> Any:
    return Field(default=None, sa_column=Column(JSONB))


def _bigint(**options: Any) -> Any:
    return Field(sa_column=Column(BigInteger, nullable=False, **options))


def _of_job(name: str) -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["job_id"], ["jobs.id"], name=f"{name}_job", ondelete="CASCADE")


class Job(SQLModel, table=True):
    """One source of truth for a job's state."""

    __tablename__: ClassVar[str] = "jobs"
    __table_args__ = (
        CheckConstraint(
            "status in ('pending', 'queued', 'running', 'succeeded', 'failed', 'cancelled')",
            name="jobs_status",
        ),
        CheckConstraint("stall_policy in ('mark', 'restart', 'fail')", name="jobs_stall_policy"),
        Index("jobs_newest", "project_id", text("submitted_at desc"), text("id desc")),
        Index(
            "jobs_live",
            "id",
            postgresql_where=text("status in ('pending', 'queued', 'running')"),
        ),
        Index("jobs_labels", "labels", postgresql_using="gin"),
    )

    id: UUID = Field(primary_key=True)
    project_id: UUID
    submitted_by: str = _text()
    name: str = _text()
    labels: dict[str, Any] = _json()
    model_id: UUID | None = None
    dataset_id: UUID | None = None
    job_type: str = _text()
    request: dict[str, Any] = _json()
    status: str = _text()
    attempt: int
    retry_count: int = Field(sa_column_kwargs={"server_default": text("0")})
    preemption_count: int = Field(sa_column_kwargs={"server_default": text("0")})
    max_retries: int
    backoff_seconds: int
    stall_policy: str = _text()
    sequence: int = _bigint(server_default=text("0"))
    not_before: datetime | None = _optional_instant()
    cancel_requested_at: datetime | None = _optional_instant()
    cancel_requested_by: str | None = _optional_text()
    submitted_at: datetime = _instant()
    queued_at: datetime | None = _optional_instant()
    started_at: datetime | None = _optional_instant()
    run_started_at: datetime | None = _optional_instant()
    ran_seconds: float = Field(sa_column=Column(Double, nullable=False, server_default=text("0")))
    completed_at: datetime | None = _optional_instant()
    stalled_at: datetime | None = _optional_instant()
    status_reason: str | None = _optional_text()
    waiting_for: str | None = _optional_text()
    observed: dict[str, Any] | None = _optional_json()
    trace_id: str = _text()
    traceparent: str = _text()
    auto_register: bool
    output_model_name: str = _text()
    output_model_version: str = _text()
    output_model_storage_uri: str | None = _optional_text()
    output_model_entry_id: UUID | None = None
    experiment_url: str | None = _optional_text()


class Attempt(SQLModel, table=True):
    """One try at a job: what was launched, and how it ended. Never changed once ended."""

    __tablename__: ClassVar[str] = "attempts"
    __table_args__ = (
        PrimaryKeyConstraint("job_id", "attempt"),
        _of_job("attempts"),
        CheckConstraint(
            "outcome in ('succeeded', 'failed', 'cancelled')",
            name="attempts_outcome",
        ),
        CheckConstraint(
            "error_class in ('transient', 'permanent', 'user')",
            name="attempts_error_class",
        ),
        Index(
            "attempts_unsettled",
            "job_id",
            "attempt",
            postgresql_where=text("ended_at is not null and settled_at is null"),
        ),
    )

    job_id: UUID
    attempt: int
    created_at: datetime = _instant()
    plan: dict[str, Any] | None = _optional_json()
    token_issued_at: datetime | None = _optional_instant()
    launched_at: datetime | None = _optional_instant()
    started_at: datetime | None = _optional_instant()
    ended_at: datetime | None = _optional_instant()
    settled_at: datetime | None = _optional_instant()
    outcome: str | None = _optional_text()
    error_class: str | None = _optional_text()
    exit_code: int | None = None
    message: str | None = _optional_text()
    rule: str | None = _optional_text()
    evidence: dict[str, Any] | None = _optional_json()
    budget_left: int | None = None
    done: dict[str, Any] | None = _optional_json()
    log_uri: str | None = _optional_text()
    first_bad_at: datetime | None = _optional_instant()
    missing_since: datetime | None = _optional_instant()


class Beat(SQLModel, table=True):
    """The narrow row that heartbeats touch. Only the primary key is indexed, so that updates stay
    on their page; attempt and open-flag change in the transition's own transaction."""

    __tablename__: ClassVar[str] = "beats"
    __table_args__ = (
        _of_job("beats"),
        {"postgresql_with": {"fillfactor": "50"}},
    )

    job_id: UUID = Field(primary_key=True)
    attempt: int
    open: bool
    waiting: bool
    command: str = _text()
    sequence: int = _bigint(server_default=text("0"))
    reported: int = _bigint(server_default=text("0"))
    last_seen: datetime | None = _optional_instant()
    progressed_at: datetime | None = _optional_instant()
    marker: str | None = _optional_text()
    body: dict[str, Any] | None = _optional_json()


class Heartbeat(SQLModel, table=True):
    """History: one row a heartbeat, keyed so that a repeat is ignored.

    No foreign key here, nor on what else is written under the beat's lock: it would lock the job
    after the beat, against the order that transitions keep."""

    __tablename__: ClassVar[str] = "heartbeats"
    __table_args__ = (PrimaryKeyConstraint("job_id", "attempt", "sequence"),)

    job_id: UUID
    attempt: int
    sequence: int = _bigint(autoincrement=False)
    received_at: datetime = _instant()
    body: dict[str, Any] = _json()


class JobEvent(SQLModel, table=True):
    """A state change: the timeline and, until published, the outbox."""

    __tablename__: ClassVar[str] = "job_events"
    __table_args__ = (
        PrimaryKeyConstraint("job_id", "sequence"),
        _of_job("job_events"),
        UniqueConstraint("id", name="job_events_id"),
        Index(
            "job_events_unpublished",
            "next_at",
            postgresql_where=text("published_at is null"),
        ),
    )

    id: UUID
    job_id: UUID
    sequence: int = _bigint(autoincrement=False)
    type: str = _text()
    source: str = _text()
    at: datetime = _instant()
    attempt: int
    status_from: str = _text()
    status_to: str = _text()
    data: dict[str, Any] = _json()
    traceparent: str = _text()
    published_at: datetime | None = _optional_instant()
    tries: int = Field(sa_column_kwargs={"server_default": text("0")})
    next_at: datetime = _instant()


class Report(SQLModel, table=True):
    """What a trainer told, numbered per job. A repeated CloudEvent finds its row."""

    __tablename__: ClassVar[str] = "reports"
    __table_args__ = (
        PrimaryKeyConstraint("job_id", "number"),
        UniqueConstraint("job_id", "attempt", "event_key", name="reports_event_key"),
    )

    job_id: UUID
    number: int = _bigint(autoincrement=False)
    attempt: int
    event_key: str = _text()
    type: str = _text()
    payload: dict[str, Any] = _json()
    occurred_at: datetime = _instant()
    received_at: datetime = _instant()


class Checkpoint(SQLModel, table=True):
    """A checkpoint whose upload was complete, made by a fenced event."""

    __tablename__: ClassVar[str] = "checkpoints"
    __table_args__ = (UniqueConstraint("job_id", "number", name="checkpoints_report"),)

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    job_id: UUID
    attempt: int
    number: int = _bigint(autoincrement=False)
    name: str = _text()
    uri: str = _text()
    sha256: str = _text()
    size: int = _bigint()
    step: int | None = Field(default=None, sa_column=Column(BigInteger))
    epoch: int | None = Field(default=None, sa_column=Column(BigInteger))
    metrics: dict[str, Any] | None = _optional_json()
    created_at: datetime = _instant()


class Artifact(SQLModel, table=True):
    """A file that an attempt left behind in S3."""

    __tablename__: ClassVar[str] = "artifacts"
    __table_args__ = (PrimaryKeyConstraint("job_id", "attempt", "name"), _of_job("artifacts"))

    job_id: UUID
    attempt: int
    name: str = _text()
    uri: str = _text()
    sha256: str | None = _optional_text()
    size: int | None = Field(default=None, sa_column=Column(BigInteger))
    created_at: datetime = _instant()


class Metric(SQLModel, table=True):
    """A single figure that a person or a trainer recorded beside the heartbeats."""

    __tablename__: ClassVar[str] = "metrics"
    __table_args__ = (_of_job("metrics"), Index("metrics_of_job", "job_id", "recorded_at", "id"))

    id: UUID = Field(primary_key=True)
    job_id: UUID
    name: str = _text()
    value: float = Field(sa_column=Column(Double, nullable=False))
    unit: str | None = _optional_text()
    recorded_at: datetime = _instant()


class Work(SQLModel, table=True):
    """What must happen: made in the transition's transaction, tried until done or dead."""

    __tablename__: ClassVar[str] = "work"
    __table_args__ = (
        PrimaryKeyConstraint("kind", "job_id", "attempt"),
        _of_job("work"),
        CheckConstraint("kind in ('launch', 'register')", name="work_kind"),
        CheckConstraint("state in ('due', 'done', 'dead')", name="work_state"),
        Index("work_due", "next_at", postgresql_where=text("state = 'due'")),
    )

    kind: str = _text()
    job_id: UUID
    attempt: int
    state: str = _text()
    tries: int = Field(sa_column_kwargs={"server_default": text("0")})
    next_at: datetime = _instant()
    last_error: str | None = _optional_text()
    created_at: datetime = _instant()
    finished_at: datetime | None = _optional_instant()


class ModelReservation(SQLModel, table=True):
    """Who may write a model address. Given back when the job ends without a model."""

    __tablename__: ClassVar[str] = "model_reservations"
    __table_args__ = (
        PrimaryKeyConstraint("name", "version"),
        Index("model_reservations_job", "job_id"),
    )

    name: str = _text()
    version: str = _text()
    project_id: UUID
    job_id: UUID | None = None


class Model(SQLModel, table=True):
    """A catalog entry."""

    __tablename__: ClassVar[str] = "models"
    __table_args__ = (
        UniqueConstraint("project_id", "name", "version", name="models_name_version"),
        CheckConstraint(
            "status in ('draft', 'under_review', 'approved', 'deprecated')", name="models_status"
        ),
        Index("models_newest", "project_id", text("created_at desc"), text("id desc")),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    project_id: UUID
    name: str = _text()
    version: str = _text()
    type: str = _text()
    status: str = _text()
    owner_team: str | None = _optional_text()
    meta: dict[str, Any] = Field(
        default_factory=dict,
        sa_column=Column("metadata", JSONB, nullable=False, server_default=text("'{}'")),
    )
    storage_uri: str | None = _optional_text()
    model_family: str | None = _optional_text()
    lineage_dataset_ids: list[Any] = Field(
        default_factory=list,
        sa_column=Column(JSONB, nullable=False, server_default=text("'[]'")),
    )
    evaluation_summary: dict[str, Any] | None = _optional_json()
    job_id: UUID | None = None
    created_by: str = _text()
    created_at: datetime = _instant()
    updated_at: datetime = _instant()


class Dataset(SQLModel, table=True):
    """A dataset's record; its bytes lie in S3."""

    __tablename__: ClassVar[str] = "datasets"
    __table_args__ = (
        UniqueConstraint("project_id", "name", "version", name="datasets_name_version"),
        Index("datasets_newest", "project_id", text("created_at desc"), text("id desc")),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    project_id: UUID
    name: str = _text()
    version: str = _text()
    type: str | None = _optional_text()
    storage_uri: str | None = _optional_text()
    owner_team: str | None = _optional_text()
    pii_scan_status: str = _text()
    quality_score: float | None = Field(default=None, sa_column=Column(Double))
    change_log: str | None = _optional_text()
    approved_at: datetime | None = _optional_instant()
    files: list[Any] = Field(
        default_factory=list,
        sa_column=Column(JSONB, nullable=False, server_default=text("'[]'")),
    )
    created_by: str = _text()
    created_at: datetime = _instant()
    updated_at: datetime = _instant()


class IdempotencyKey(SQLModel, table=True):
    """A submission's key, so that its repeat is answered with the same job."""

    __tablename__: ClassVar[str] = "idempotency_keys"
    __table_args__ = (
        PrimaryKeyConstraint("project_id", "subject", "key"),
        Index("idempotency_keys_age", "created_at"),
    )

    project_id: UUID
    subject: str = _text()
    key: str = _text()
    digest: str = _text()
    job_id: UUID
    created_at: datetime = _instant()


class Lease(SQLModel, table=True):
    """Who may tick, until when, and when a tick was last completed."""

    __tablename__: ClassVar[str] = "leases"

    name: str = Field(sa_column=Column(Text, primary_key=True))
    holder: str | None = _optional_text()
    expires_at: datetime | None = _optional_instant()
    started_at: datetime | None = _optional_instant()
    completed_at: datetime | None = _optional_instant()
    detail: dict[str, Any] = _json()
