"""What is asked about the audit, and how it is shown."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from typing_extensions import TypedDict

from common.body import Id

ProjectId = Annotated[Id | None, Query(alias="projectId")]
Subject = Annotated[str | None, Query(alias="user", max_length=255)]
Limit = Annotated[int, Query(ge=1, le=200)]
Cursor = Annotated[str | None, Query(max_length=1024)]


class Entry(TypedDict):
    """`outcome` is done, or the code of the refusal."""

    id: int
    at: datetime
    user: str
    tokenId: UUID | None
    projectId: UUID | None
    action: str
    target: str | None
    requestId: str
    outcome: str


class Audit(TypedDict):
    entries: list[Entry]
    nextCursor: str | None


def entry(row: Mapping[str, Any]) -> Entry:
    return {
        "id": row["id"],
        "at": row["at"],
        "user": row["subject"],
        "tokenId": row["token_id"],
        "projectId": row["project_id"],
        "action": row["action"],
        "target": row["target"],
        "requestId": row["request_id"],
        "outcome": row["outcome"],
    }
