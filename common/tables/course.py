"""The course of metrics, kept so that it is read quickly and takes little room."""

# SQLModel declares the name of a table as something that no plain string may override.
# pyright: reportIncompatibleVariableOverride=false

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import (
    Column,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import INT8MULTIRANGE
from sqlmodel import Field, SQLModel

from common.tables import column


def _of_course(table: str) -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["job_id", "attempt"],
        ["courses.job_id", "courses.attempt"],
        name=f"{table}_course",
        ondelete="CASCADE",
    )


class Course(SQLModel, table=True):
    """How far the heartbeats of an attempt are drawn: which they are, the greatest of them, and
    whether that is all of them. Whoever draws or packs holds its row."""

    __tablename__: ClassVar[str] = "courses"
    __table_args__ = (
        PrimaryKeyConstraint("job_id", "attempt"),
        column.of_job("courses"),
        Index("courses_packed", "packed_at", postgresql_where=text("packed_at is not null")),
    )

    job_id: UUID
    attempt: int
    upto: int = column.bigint(server_default=text("-1"))
    sequences: Any = Field(
        sa_column=Column(INT8MULTIRANGE, nullable=False, server_default=text("'{}'"))
    )
    complete: bool = Field(sa_column_kwargs={"server_default": text("false")})
    packed_at: datetime | None = column.optional_instant()


class Outline(SQLModel, table=True):
    """A series from afar. `told` where the trainer tells it point by point."""

    __tablename__: ClassVar[str] = "outlines"
    __table_args__ = (PrimaryKeyConstraint("job_id", "attempt", "name"), _of_course("outlines"))

    job_id: UUID
    attempt: int
    name: str = column.text()
    told: bool
    outline: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class Pack(SQLModel, table=True):
    """Heartbeats of an attempt that is over, which follow each other, compressed together."""

    __tablename__: ClassVar[str] = "packs"
    __table_args__ = (
        PrimaryKeyConstraint("job_id", "attempt", "first"),
        _of_course("packs"),
        Index("packs_age", "made_at"),
    )

    job_id: UUID
    attempt: int
    first: int = column.bigint(autoincrement=False)
    last: int = column.bigint()
    last_at: datetime = column.instant()
    made_at: datetime = column.instant()
    beats: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
