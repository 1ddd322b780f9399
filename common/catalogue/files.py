"""The files of an entry: how they come, and how they are fetched; the same for models and datasets."""

from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from common.catalogue import upload
from common.catalogue.stored import Stored
from common.catalogue.upload import Wanted
from common.settings import Storage
from common.storage import address
from common.storage.address import BadAddress
from common.storage.grants import LIFETIME
from common.storage.objects import Objects
from common.storage.presign import presign


@dataclass(frozen=True)
class Files:
    """What lies below the prefixes of entries, in the one bucket."""

    objects: Objects
    storage: Storage

    async def receive(
        self, prefix: str, content_type: str | None, body: AsyncIterable[bytes]
    ) -> AsyncGenerator[Stored]:
        """The files of a form, each told once it is complete, whatever follows it."""
        async with aclosing(upload.receive(self.objects, prefix, content_type, body)) as files:
            async for file in files:
                yield file

    async def begin(self, prefix: str, wanted: Wanted, *, now: datetime) -> dict[str, Any]:
        """Addresses for the parts of one large file."""
        return await upload.begin_parts(self.objects, self.storage, prefix, wanted, now=now)

    async def join(self, prefix: str, name: str, upload_id: str, etags: dict[int, str]) -> Stored:
        """The file whose parts are all there. Raises Invalid."""
        return await upload.join_parts(self.objects, prefix, name, upload_id, etags)

    async def abort(self, prefix: str, name: str, upload_id: str) -> None:
        """The parts are not wanted any more; again, or never begun, is the same."""
        await upload.abort_parts(self.objects, prefix, name, upload_id)

    def listed(self, uri: str | None, files: list[Any], *, now: datetime) -> list[dict[str, Any]]:
        """Each file with an address that fetches it for an hour; none where they lie in a bucket
        that is not ours."""
        folder = self._folder(uri)
        return [each | {"url": self._url(folder, each["name"], now)} for each in files]

    def _folder(self, uri: str | None) -> str | None:
        try:
            place = address.parse(uri or "")
        except BadAddress:
            return None
        if place.bucket != self.storage.bucket:
            return None
        return f"{place.key.rpartition('/')[0]}/"

    def _url(self, folder: str | None, name: str, now: datetime) -> str | None:
        if folder is None:
            return None
        return presign(self.storage, "GET", folder + name, now, LIFETIME)
