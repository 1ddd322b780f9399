"""Tokens that can be revoked, how often somebody called, and who changed what."""

# SQLModel declares the name of a table as something that no plain string may override.
# pyright: reportIncompatibleVariableOverride=false

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Identity,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    UniqueConstraint,
    text,
)
from sqlmodel import Field, SQLModel

from common.tables import column


class Token(SQLModel, table=True):
    """A token of a person or a machine: the digests of its secrets, never these. All that came from
    one by refreshing is a family, and is revoked together."""

    __tablename__: ClassVar[str] = "tokens"
    __table_args__ = (
        UniqueConstraint("secret", name="tokens_secret"),
        UniqueConstraint("refresh", name="tokens_refresh"),
        CheckConstraint("kind in ('person', 'machine')", name="tokens_kind"),
        Index("tokens_family", "family"),
        Index("tokens_subject", "subject", text("created_at desc"), text("id desc")),
        Index("tokens_project", "project_id", text("created_at desc"), text("id desc")),
    )

    id: UUID = Field(primary_key=True)
    family: UUID
    kind: str = column.text()
    name: str = column.text()
    subject: str = column.text()
    project_id: UUID | None = None
    roles: dict[str, Any] = column.json()
    administers: bool = Field(sa_column_kwargs={"server_default": text("false")})
    secret: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    refresh: bytes | None = Field(default=None, sa_column=Column(LargeBinary))
    created_by: str = column.text()
    created_at: datetime = column.instant()
    expires_at: datetime = column.instant()
    refresh_expires_at: datetime | None = column.optional_instant()
    replaced_at: datetime | None = column.optional_instant()
    revoked_at: datetime | None = column.optional_instant()


class RateWindow(SQLModel, table=True):
    """How many calls were given out since a window began. Not logged: a crash of Postgres may
    forget it, and no call waits for the disk."""

    __tablename__: ClassVar[str] = "rate_windows"
    __table_args__ = (
        PrimaryKeyConstraint("caller", "rule"),
        {"prefixes": ["UNLOGGED"]},
    )

    caller: str = column.text()
    rule: str = column.text()
    started_at: datetime = column.instant()
    taken: int
    granted: int


class AuditEntry(SQLModel, table=True):
    """One call that changed something, or was kept from it."""

    __tablename__: ClassVar[str] = "audit"
    __table_args__ = (Index("audit_project", "project_id", text("id desc")),)

    id: int = Field(sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    at: datetime = column.instant()
    subject: str = column.text()
    token_id: UUID | None = None
    project_id: UUID | None = None
    action: str = column.text()
    target: str | None = column.optional_text()
    request_id: str = column.text()
    outcome: str = column.text()
