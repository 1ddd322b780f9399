"""Projects, who belongs to them, and what they may use at once."""

# SQLModel declares the name of a table as something that no plain string may override.
# pyright: reportIncompatibleVariableOverride=false

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    Column,
    Double,
    ForeignKeyConstraint,
    Index,
    PrimaryKeyConstraint,
)
from sqlmodel import Field, SQLModel

from common.tables import column


class Project(SQLModel, table=True):
    """What jobs, models and datasets belong to. A quota that is null does not bound. A project that
    only tokens of the local key name has no row until somebody gives it a name, a member or a quota.
    """

    __tablename__: ClassVar[str] = "projects"

    id: UUID = Field(primary_key=True)
    name: str = column.text()
    max_live_jobs: int | None = None
    max_gpus: int | None = None
    max_gpu_hours: float | None = Field(default=None, sa_column=Column(Double))
    created_by: str = column.text()
    created_at: datetime = column.instant()


class Member(SQLModel, table=True):
    """Who may do what in a project, beside what a token says of itself."""

    __tablename__: ClassVar[str] = "members"
    __table_args__ = (
        PrimaryKeyConstraint("project_id", "subject"),
        ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name="members_project", ondelete="CASCADE"
        ),
        CheckConstraint("role in ('viewer', 'member', 'admin')", name="members_role"),
        Index("members_subject", "subject"),
    )

    project_id: UUID
    subject: str = column.text()
    role: str = column.text()
    added_by: str = column.text()
    added_at: datetime = column.instant()
