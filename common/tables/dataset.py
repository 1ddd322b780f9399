"""The catalog's datasets."""

# SQLModel declares the name of a table as something that no plain string may override.
# pyright: reportIncompatibleVariableOverride=false

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID, uuid4

from sqlalchemy import Column, Double, Index, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from common.tables import column


class Dataset(SQLModel, table=True):
    """A dataset's record; its bytes lie in S3."""

    __tablename__: ClassVar[str] = "datasets"
    __table_args__ = (
        UniqueConstraint("project_id", "name", "version", name="datasets_name_version"),
        Index("datasets_newest", "project_id", text("created_at desc"), text("id desc")),
    )

    id: UUID = Field(default_factory=uuid4, primary_key=True)
    project_id: UUID
    name: str = column.text()
    version: str = column.text()
    type: str | None = column.optional_text()
    storage_uri: str | None = column.optional_text()
    owner_team: str | None = column.optional_text()
    pii_scan_status: str = column.text()
    quality_score: float | None = Field(default=None, sa_column=Column(Double))
    change_log: str | None = column.optional_text()
    approved_at: datetime | None = column.optional_instant()
    files: list[Any] = Field(
        default_factory=list,
        sa_column=Column(JSONB, nullable=False, server_default=text("'[]'")),
    )
    created_by: str = column.text()
    created_at: datetime = column.instant()
    updated_at: datetime = column.instant()
