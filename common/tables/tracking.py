"""Experiment runs as trainers tell them, and how far they are carried to MLflow."""

# SQLModel declares the name of a table as something that no plain string may override.
# pyright: reportIncompatibleVariableOverride=false

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    Index,
    PrimaryKeyConstraint,
    UniqueConstraint,
    text,
)
from sqlmodel import Field, SQLModel

from common.tables import column


class ExperimentRun(SQLModel, table=True):
    """A run that a program made with MLflow's client; with an empty `run`, what people say of an
    attempt's own. `parent` is another `run` of the attempt. The metrics of the main run are the
    heartbeats'. Written under the beat's lock, so without a foreign key; `tracking_run_id` is what
    MLflow calls it."""

    __tablename__: ClassVar[str] = "experiment_runs"
    __table_args__ = (
        UniqueConstraint("job_id", "attempt", "run", name="experiment_runs_run"),
        CheckConstraint(
            "status in ('running', 'completed', 'failed', 'killed')", name="experiment_runs_status"
        ),
        Index(
            "experiment_runs_main",
            "job_id",
            "attempt",
            unique=True,
            postgresql_where=text("main"),
        ),
        Index("experiment_runs_name", "experiment_name"),
        Index("experiment_runs_age", "created_at"),
    )

    id: UUID = Field(primary_key=True)
    job_id: UUID
    attempt: int
    run: str = column.text()
    parent: str | None = column.optional_text()
    main: bool = Field(sa_column_kwargs={"server_default": text("false")})
    experiment_name: str | None = column.optional_text()
    name: str | None = column.optional_text()
    parameters: dict[str, Any] = column.json()
    tags: dict[str, Any] = column.json()
    metrics: dict[str, Any] = column.json()
    status: str = column.text()
    start_time: datetime | None = column.optional_instant()
    end_time: datetime | None = column.optional_instant()
    tracking_run_id: str | None = column.optional_text()
    created_by: str = column.text()
    created_at: datetime = column.instant()
    updated_at: datetime = column.instant()


class LoggedModel(SQLModel, table=True):
    """A model that a program logged in a run, under the id that the trainer's side gave it;
    `tracking_model_id` is what MLflow calls it."""

    __tablename__: ClassVar[str] = "logged_models"
    __table_args__ = (
        PrimaryKeyConstraint("job_id", "attempt", "model"),
        Index("logged_models_age", "created_at"),
    )

    job_id: UUID
    attempt: int
    model: str = column.text()
    run: str = column.text()
    name: str = column.text()
    type: str = column.text()
    status: str = column.text()
    params: dict[str, Any] = column.json()
    tags: dict[str, Any] = column.json()
    tracking_model_id: str | None = column.optional_text()
    created_at: datetime = column.instant()
    updated_at: datetime = column.instant()


class Mirror(SQLModel, table=True):
    """How far an attempt is carried to MLflow: all heartbeats up to a sequence (they begin with 0),
    all reports up to a number; `caught_up_at` is when nothing was left for the last time. `error`
    stands where the last try failed. Settled once the attempt is over and all of it is there."""

    __tablename__: ClassVar[str] = "mirrors"
    __table_args__ = (
        PrimaryKeyConstraint("job_id", "attempt"),
        column.of_job("mirrors"),
        Index("mirrors_unsettled", "updated_at", postgresql_where=text("not settled")),
    )

    job_id: UUID
    attempt: int
    experiment_id: str | None = column.optional_text()
    beat_sequence: int = column.bigint(server_default=text("-1"))
    report_number: int = column.bigint(server_default=text("0"))
    settled: bool = Field(sa_column_kwargs={"server_default": text("false")})
    caught_up_at: datetime | None = column.optional_instant()
    error: str | None = column.optional_text()
    detail: dict[str, Any] = column.json()
    created_at: datetime = column.instant()
    updated_at: datetime = column.instant()
