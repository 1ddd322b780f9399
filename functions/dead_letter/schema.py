"""What is asked about dead letters, and how they are shown."""

import base64
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Path, Query
from typing_extensions import TypedDict

from common.letter import Letter

LetterId = Annotated[str, Path(alias="letterId", max_length=200)]
Limit = Annotated[int, Query(ge=1, le=200)]
Cursor = Annotated[str | None, Query(max_length=1024)]


class Failure(TypedDict):
    """The broker's own word: whom it asked, and what that one said."""

    destination: str | None
    code: int | None
    said: str | None


class Summary(TypedDict):
    id: str
    eventId: str
    type: str
    source: str
    subject: str | None
    projectId: UUID | None
    receivedAt: datetime
    replayedAt: datetime | None
    failure: Failure


class DeadLetter(Summary):
    """The data is withheld where it names no project."""

    key: str
    attributes: dict[str, str]
    data: Any


class DeadLetters(TypedDict):
    deadLetters: list[Summary]
    nextCursor: str | None


def without_data(letter: Letter) -> Summary:
    named = letter.attributes
    return {
        "id": letter.id,
        "eventId": named["id"],
        "type": named["type"],
        "source": named["source"],
        "subject": named.get("subject"),
        "projectId": letter.project_id,
        "receivedAt": letter.received_at,
        "replayedAt": letter.replayed_at,
        "failure": _failure(letter),
    }


def whole(letter: Letter) -> DeadLetter:
    return {
        **without_data(letter),
        "key": letter.key,
        "attributes": dict(letter.attributes),
        "data": letter.data if letter.project_id else None,
    }


def _failure(letter: Letter) -> Failure:
    code = letter.attributes.get("knativeerrorcode", "")
    return {
        "destination": letter.attributes.get("knativeerrordest"),
        "code": int(code) if code.isascii() and code.isdigit() else None,
        "said": _plain(letter.attributes.get("knativeerrordata")),
    }


def _plain(encoded: str | None) -> str | None:
    """A broker encodes what the consumer said."""
    if not encoded:
        return None
    try:
        return base64.b64decode(encoded, validate=True).decode(errors="replace")
    except ValueError:
        return encoded
