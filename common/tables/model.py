"""The catalog's models."""

# SQLModel declares the name of a table as something that no plain string may override.
# pyright: reportIncompatibleVariableOverride=false

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID, uuid4

from sqlalchemy import CheckConstraint, Column, Index, PrimaryKeyConstraint, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, Relationship, SQLModel

from common.tables import column
from common.tables.registration import Registration


class ModelReservation(SQLModel, table=True):
    """Who may write a model address. Given back when the job ends without a model."""

    __tablename__: ClassVar[str] = "model_reservations"
    __table_args__ = (
        PrimaryKeyConstraint("name", "version"),
        Index("model_reservations_job", "job_id"),
    )

    name: str = column.text()
    version: str = column.text()
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
        Index("models_made_from", "lineage_dataset_ids", postgresql_using="gin"),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    project_id: UUID
    name: str = column.text()
    version: str = column.text()
    type: str = column.text()
    status: str = column.text()
    owner_team: str | None = column.optional_text()
    meta: dict[str, Any] = Field(
        default_factory=dict,
        sa_column=Column("metadata", JSONB, nullable=False, server_default=text("'{}'")),
    )
    storage_uri: str | None = column.optional_text()
    model_family: str | None = column.optional_text()
    lineage_dataset_ids: list[Any] = Field(
        default_factory=list,
        sa_column=Column(JSONB, nullable=False, server_default=text("'[]'")),
    )
    evaluation_summary: dict[str, Any] | None = column.optional_json()
    job_id: UUID | None = None
    receipt_sha256: str | None = column.optional_text()
    created_by: str = column.text()
    created_at: datetime = column.instant()
    updated_at: datetime = column.instant()
    registrations: list[Registration] = Relationship(
        sa_relationship_kwargs={"lazy": "selectin", "viewonly": True}
    )
