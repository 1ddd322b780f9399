"""Takes in the code that people bring: once, and only as what it is."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from common.catalogue import upload
from common.catalogue.project import choose_project
from common.catalogue.upload import Wanted
from common.errors import Invalid, Violation
from common.settings import Storage
from common.storage import address
from common.storage.address import Address
from common.storage.objects import Objects
from common.tokens.user_token import User
from functions.sources import schema
from functions.sources.schema import LARGEST_SOURCE, Kept, NewSource, Upload, UploadedSource


@dataclass(frozen=True)
class Sources:
    """Archives of code, which lie by their digest in their project. Each raises NotFound for
    another's project, Forbidden for a viewer, and Invalid where no project is named."""

    objects: Objects
    storage: Storage
    now: Callable[[], datetime]

    async def begin(self, user: User, wanted: NewSource, complete_url: str) -> Kept:
        """What is there already is not uploaded again; else addresses for its parts."""
        project = choose_project(user, wanted.project_id, "projectId")
        if await self.objects.head(_key(project, wanted)):
            return self._kept(project, wanted)
        begun = await upload.begin_parts(
            self.objects,
            self.storage,
            address.incoming_sources_prefix(str(project)),
            Wanted(f"{uuid4().hex}.tar.gz", wanted.size),
            now=self.now(),
        )
        return self._kept(project, wanted, _shown(begun, complete_url))

    async def finish(self, user: User, done: UploadedSource) -> Kept:
        """Puts what came where its digest says, and nothing else there: whoever finds a digest
        finds what it promises. A repeat finds it done."""
        project = choose_project(user, done.project_id, "projectId")
        if not await self.objects.head(_key(project, done)):
            await self._take_in(project, done)
        return self._kept(project, done)

    async def _take_in(self, project: UUID, done: UploadedSource) -> None:
        prefix = address.incoming_sources_prefix(str(project))
        arrived = await upload.join_parts(
            self.objects, prefix, done.name, done.upload_id, done.etags
        )
        try:
            if arrived.size > LARGEST_SOURCE:
                raise Invalid([Violation("size", f"may be at most {LARGEST_SOURCE} bytes")])
            if await self.objects.sha256(prefix + done.name) != done.sha256:
                raise Invalid([Violation("digest", "is not that of what was uploaded")])
            await self.objects.copy(prefix + done.name, _key(project, done))
        finally:
            await self.objects.delete(prefix + done.name)

    def _kept(self, project: UUID, source: schema.Source, needed: Upload | None = None) -> Kept:
        uri = str(Address(self.storage.bucket, _key(project, source)))
        return {"uri": uri, "digest": source.digest, "upload": needed}


def _key(project: UUID, source: schema.Source) -> str:
    return address.source_key(str(project), source.sha256)


def _shown(begun: dict[str, Any], complete_url: str) -> Upload:
    return {
        "name": begun["name"],
        "uploadId": begun["upload_id"],
        "partSize": begun["part_size"],
        "parts": [{"partNumber": p["part_number"], "url": p["url"]} for p in begun["parts"]],
        "completeUrl": complete_url,
        "abortUrl": begun["abort_url"],
        "expiresInSeconds": begun["expires_in_seconds"],
    }
