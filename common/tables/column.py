"""The kinds of column that the tables are made of."""

from typing import Any

from sqlalchemy import BigInteger, Column, DateTime, ForeignKeyConstraint, Text
from sqlalchemy import text as sql
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field


def text(**options: Any) -> Any:
    return Field(sa_column=Column(Text, nullable=False, **options))


def optional_text() -> Any:
    return Field(default=None, sa_column=Column(Text))


def instant() -> Any:
    return Field(sa_column=Column(DateTime(timezone=True), nullable=False))


def optional_instant() -> Any:
    return Field(default=None, sa_column=Column(DateTime(timezone=True)))


def json(default: str = "{}") -> Any:
    column = Column(JSONB, nullable=False, server_default=sql(f"'{default}'"))
    return Field(default_factory=dict, sa_column=column)


def optional_json() -> Any:
    return Field(default=None, sa_column=Column(JSONB))


def bigint(**options: Any) -> Any:
    return Field(sa_column=Column(BigInteger, nullable=False, **options))


def of_job(name: str) -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["job_id"], ["jobs.id"], name=f"{name}_job", ondelete="CASCADE")
