"""With whom a model is registered."""

# SQLModel declares the name of a table as something that no plain string may override.
# pyright: reportIncompatibleVariableOverride=false

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, PrimaryKeyConstraint, text
from sqlmodel import Field, SQLModel

from common.tables import column


class Registration(SQLModel, table=True):
    """What became of registering a model with one target: our catalog, or MLflow's registry."""

    __tablename__: ClassVar[str] = "registrations"
    __table_args__ = (
        PrimaryKeyConstraint("entry_id", "target"),
        ForeignKeyConstraint(
            ["entry_id"], ["models.id"], name="registrations_entry", ondelete="CASCADE"
        ),
        CheckConstraint(
            "status in ('registered', 'pending', 'failed')", name="registrations_status"
        ),
        Index(
            "registrations_unmade",
            "target",
            "status",
            postgresql_where=text("status <> 'registered'"),
        ),
    )

    entry_id: UUID
    target: str = column.text()
    status: str = column.text()
    name: str | None = column.optional_text()
    version: str | None = column.optional_text()
    error: str | None = column.optional_text()
    tries: int = Field(sa_column_kwargs={"server_default": text("0")})
    updated_at: datetime = column.instant()
