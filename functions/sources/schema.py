"""Code on its way in, as clients send and see it."""

from typing import Annotated

from pydantic import Field
from typing_extensions import TypedDict

from common.storage.grants import MOST_PARTS
from common.web import Body, Id

LARGEST_SOURCE = 100 * 1024 * 1024


class Source(Body):
    """A .tar.gz of a folder, by its sha256."""

    project_id: Id | None = None
    digest: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]

    @property
    def sha256(self) -> str:
        return self.digest.removeprefix("sha256:")


class NewSource(Source):
    size: Annotated[int, Field(ge=1, le=LARGEST_SOURCE)]


class Part(Body):
    part_number: Annotated[int, Field(ge=1, le=MOST_PARTS)]
    etag: Annotated[str, Field(min_length=1, max_length=200)]


class UploadedSource(Source):
    """All parts are there, each with the ETag that S3 answered."""

    name: Annotated[str, Field(pattern=r"^[0-9a-f]{32}\.tar\.gz$")]
    upload_id: Annotated[str, Field(min_length=1, max_length=1024)]
    parts: Annotated[list[Part], Field(min_length=1, max_length=MOST_PARTS)]

    @property
    def etags(self) -> dict[int, str]:
        return {part.part_number: part.etag for part in self.parts}


class PartAddress(TypedDict):
    partNumber: int
    url: str


class Upload(TypedDict):
    """Where to put the parts. `completeUrl` takes what was answered, with the same token."""

    name: str
    uploadId: str
    partSize: int
    parts: list[PartAddress]
    completeUrl: str
    abortUrl: str
    expiresInSeconds: int


class Kept(TypedDict):
    """What a job's `trainer.source` says. With an upload, it is not there yet."""

    uri: str
    digest: str
    upload: Upload | None
