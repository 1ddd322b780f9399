"""What is asked about tokens, and how they are shown."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Path, Query
from pydantic import Field
from typing_extensions import TypedDict

from common.access.token import Issued
from common.body import Body, Id, Text
from common.tokens.user_token import Role

DAY = 86_400

TokenId = Annotated[Id, Path(alias="tokenId")]
ProjectId = Annotated[Id | None, Query(alias="projectId", description="those of its machines")]
Limit = Annotated[int, Query(ge=1, le=200)]
Cursor = Annotated[str | None, Query(max_length=1024)]
Kind = Literal["person", "machine"]


class NewToken(Body):
    """A person's acts as its maker; a machine's has a role in one project."""

    name: Annotated[Text, Field(min_length=1, max_length=100, pattern=r"^[\w.@ -]+$")]
    kind: Kind = "person"
    project_id: Id | None = None
    role: Role = "member"
    expires_in_seconds: Annotated[int, Field(ge=60, le=365 * DAY)] = 30 * DAY
    refreshable: bool = False


class Refresh(Body):
    refresh_token: Annotated[Text, Field(min_length=1, max_length=200)]


class Secrets(TypedDict):
    """Shown once, here and nowhere else."""

    id: UUID
    subject: str
    token: str
    refreshToken: str | None
    expiresAt: datetime


class Token(TypedDict):
    id: UUID
    kind: Kind
    name: str
    subject: str
    projectId: UUID | None
    role: Role | None
    refreshable: bool
    createdBy: str
    createdAt: datetime
    expiresAt: datetime
    revokedAt: datetime | None


class Tokens(TypedDict):
    tokens: list[Token]
    nextCursor: str | None


def issued(made: Issued) -> Secrets:
    return {
        "id": made.id,
        "subject": made.subject,
        "token": made.secrets.token,
        "refreshToken": made.secrets.refresh,
        "expiresAt": made.expires_at,
    }


def token(row: Mapping[str, Any]) -> Token:
    project = row["project_id"]
    return {
        "id": row["id"],
        "kind": row["kind"],
        "name": row["name"],
        "subject": row["subject"],
        "projectId": project,
        "role": row["roles"].get(str(project)) if project else None,
        "refreshable": row["refresh_expires_at"] is not None,
        "createdBy": row["created_by"],
        "createdAt": row["created_at"],
        "expiresAt": row["expires_at"],
        "revokedAt": row["revoked_at"],
    }
