"""A try at a job."""

# SQLModel declares the name of a table as something that no plain string may override.
# pyright: reportIncompatibleVariableOverride=false

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, Index, PrimaryKeyConstraint, text
from sqlalchemy.dialects.postgresql import TSTZMULTIRANGE
from sqlmodel import Field, SQLModel

from common.tables import column


class Attempt(SQLModel, table=True):
    """One try at a job: what was launched, and how it ended. Never changed once ended. When it was
    marked as stalled; of checkpoints that were swept, when the last of them was saved; and which
    checkpoint it went on from."""

    __tablename__: ClassVar[str] = "attempts"
    __table_args__ = (
        PrimaryKeyConstraint("job_id", "attempt"),
        column.of_job("attempts"),
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
        Index(
            "attempts_unpacked",
            "job_id",
            "attempt",
            postgresql_where=text("packed_at is null"),
        ),
        Index("attempts_logs", "ended_at", postgresql_where=text("log_uri is not null")),
    )

    job_id: UUID
    attempt: int
    created_at: datetime = column.instant()
    plan: dict[str, Any] | None = column.optional_json()
    token_issued_at: datetime | None = column.optional_instant()
    launched_at: datetime | None = column.optional_instant()
    started_at: datetime | None = column.optional_instant()
    ended_at: datetime | None = column.optional_instant()
    settled_at: datetime | None = column.optional_instant()
    packed_at: datetime | None = column.optional_instant()
    outcome: str | None = column.optional_text()
    error_class: str | None = column.optional_text()
    exit_code: int | None = None
    message: str | None = column.optional_text()
    rule: str | None = column.optional_text()
    evidence: dict[str, Any] | None = column.optional_json()
    budget_left: int | None = None
    done: dict[str, Any] | None = column.optional_json()
    log_uri: str | None = column.optional_text()
    first_bad_at: datetime | None = column.optional_instant()
    missing_since: datetime | None = column.optional_instant()
    stalled: Any = Field(
        sa_column=Column(TSTZMULTIRANGE, nullable=False, server_default=text("'{}'"))
    )
    saved_at: datetime | None = column.optional_instant()
    resumed_from: dict[str, Any] | None = column.optional_json()
