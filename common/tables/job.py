"""A job."""

# SQLModel declares the name of a table as something that no plain string may override.
# pyright: reportIncompatibleVariableOverride=false

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, Double, Index, text
from sqlmodel import Field, SQLModel

from common.tables import column

_NEWEST = (text("submitted_at desc"), text("id desc"))


class Job(SQLModel, table=True):
    """One source of truth for a job's state."""

    __tablename__: ClassVar[str] = "jobs"
    __table_args__ = (
        CheckConstraint(
            "status in ('pending', 'queued', 'running', 'succeeded', 'failed', 'cancelled')",
            name="jobs_status",
        ),
        CheckConstraint("stall_policy in ('mark', 'restart', 'fail')", name="jobs_stall_policy"),
        Index("jobs_newest", "project_id", *_NEWEST),
        Index(
            "jobs_live",
            "id",
            postgresql_where=text("status in ('pending', 'queued', 'running')"),
        ),
        Index("jobs_labels", "labels", postgresql_using="gin"),
        Index("jobs_by_status", "project_id", "status", *_NEWEST),
        Index("jobs_by_submitter", "project_id", "submitted_by", *_NEWEST),
        Index(
            "jobs_by_model",
            "project_id",
            "model_id",
            *_NEWEST,
            postgresql_where=text("model_id is not null"),
        ),
        Index(
            "jobs_by_dataset",
            "project_id",
            "dataset_id",
            *_NEWEST,
            postgresql_where=text("dataset_id is not null"),
        ),
        Index("jobs_by_name", "project_id", text("lower(name) text_pattern_ops")),
        Index(
            "jobs_registered",
            "output_model_entry_id",
            postgresql_where=text("output_model_entry_id is not null"),
        ),
        Index(
            "jobs_unswept",
            "completed_at",
            postgresql_where=text("completed_at is not null and swept_at is null"),
        ),
    )

    id: UUID = Field(primary_key=True)
    project_id: UUID
    submitted_by: str = column.text()
    name: str = column.text()
    labels: dict[str, Any] = column.json()
    model_id: UUID | None = None
    dataset_id: UUID | None = None
    job_type: str = column.text()
    request: dict[str, Any] = column.json()
    status: str = column.text()
    attempt: int
    retry_count: int = Field(sa_column_kwargs={"server_default": text("0")})
    preemption_count: int = Field(sa_column_kwargs={"server_default": text("0")})
    max_retries: int
    backoff_seconds: int
    stall_policy: str = column.text()
    sequence: int = column.bigint(server_default=text("0"))
    not_before: datetime | None = column.optional_instant()
    cancel_requested_at: datetime | None = column.optional_instant()
    cancel_requested_by: str | None = column.optional_text()
    submitted_at: datetime = column.instant()
    queued_at: datetime | None = column.optional_instant()
    started_at: datetime | None = column.optional_instant()
    run_started_at: datetime | None = column.optional_instant()
    ran_seconds: float = Field(sa_column=Column(Double, nullable=False, server_default=text("0")))
    completed_at: datetime | None = column.optional_instant()
    stalled_at: datetime | None = column.optional_instant()
    swept_at: datetime | None = column.optional_instant()
    status_reason: str | None = column.optional_text()
    waiting_for: str | None = column.optional_text()
    observed: dict[str, Any] | None = column.optional_json()
    trace_id: str = column.text()
    traceparent: str = column.text()
    auto_register: bool
    output_model_name: str = column.text()
    output_model_version: str = column.text()
    output_model_storage_uri: str | None = column.optional_text()
    output_model_entry_id: UUID | None = None
    experiment_url: str | None = column.optional_text()
