"""The parts of bodies and queries that models and datasets share."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from pydantic import Field

from common.catalogue.page import GREATEST_LIMIT
from common.storage.grants import LARGEST_OBJECT, MOST_PARTS
from common.web import SnakeBody

PRINTABLE = r"[^\x00-\x1f\x7f]*"
Name = Annotated[
    str,
    Field(min_length=1, max_length=200, pattern=f"^{PRINTABLE}[A-Za-z0-9]{PRINTABLE}$"),
]
Version = Annotated[
    str, Field(max_length=64, pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$")
]
Line = Annotated[str, Field(min_length=1, max_length=200, pattern=f"^{PRINTABLE}$")]
Text = Annotated[str, Field(max_length=10_000)]
Uri = Annotated[str, Field(min_length=1, max_length=2048)]
UploadId = Annotated[str, Field(min_length=1, max_length=1024)]
FileName = Annotated[str, Field(min_length=1, max_length=200)]

InProject = Annotated[UUID | None, Query(alias="project_id")]
Limit = Annotated[int, Query(ge=1, le=GREATEST_LIMIT)]
Cursor = Annotated[str | None, Query(max_length=200)]

NEXT = "X-Next-Cursor"
BINARY = {"type": "string", "contentMediaType": "application/octet-stream"}
FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["files"],
                    "properties": {
                        "files": {
                            "type": "array",
                            "minItems": 1,
                            "items": BINARY,
                        }
                    },
                }
            }
        },
    }
}
LIST_HEADERS: dict[str, Any] = {
    NEXT: {"description": "Where the next page begins.", "schema": {"type": "string"}}
}


class StartUpload(SnakeBody):
    """A large file, to be put in parts to presigned addresses."""

    name: FileName
    size: Annotated[int, Field(ge=1, le=LARGEST_OBJECT)]


class Part(SnakeBody):
    part_number: Annotated[int, Field(ge=1, le=MOST_PARTS)]
    etag: Annotated[str, Field(min_length=1, max_length=200)]


class FinishUpload(SnakeBody):
    """All parts are there, each with the ETag that S3 answered."""

    name: FileName
    upload_id: UploadId
    parts: Annotated[list[Part], Field(min_length=1, max_length=MOST_PARTS)]

    @property
    def etags(self) -> dict[int, str]:
        return {part.part_number: part.etag for part in self.parts}


class AbortUpload(SnakeBody):
    """The upload is given up."""

    name: FileName
    upload_id: UploadId


class PartAddress(SnakeBody):
    part_number: int
    url: str


class Parts(SnakeBody):
    """Where to put the parts. `complete_url` takes what was answered, with the same token."""

    name: str
    upload_id: str
    part_size: int
    parts: list[PartAddress]
    complete_url: str
    abort_url: str
    expires_in_seconds: int


class Stored(SnakeBody):
    name: str
    size: int
    sha256: str | None


class Fetched(Stored):
    """With an address that fetches it for an hour; null where it is not ours to give."""

    url: str | None


class Named(SnakeBody):
    """An entry or a job, as others are told of it."""

    id: UUID
    name: str | None
    version: str | None = None
    status: str | None = None
    job_id: UUID | None = None
    submitted_at: datetime | None = None


class Made(SnakeBody):
    """What was made of an entry: the newest hundred of each, and whether there are more."""

    jobs: list[Named]
    models: list[Named]
    more: bool
