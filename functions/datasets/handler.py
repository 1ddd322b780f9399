"""The catalog of datasets: what is asked by HTTP, in short transactions with S3 between them."""

from collections.abc import AsyncIterable, Callable, Collection
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from common.access import audit
from common.access.permission import demand
from common.catalogue import dataset, lineage, place, preview
from common.catalogue.files import Files
from common.catalogue.page import Page, list_page
from common.catalogue.project import choose_project, readable_projects
from common.catalogue.session import Sessions, driver_of
from common.catalogue.stored import Stored
from common.catalogue.upload import Wanted
from common.errors import Conflict, NotFound
from common.storage import address
from common.tables.dataset import Dataset
from common.tokens.user_token import Role, User
from functions.datasets.schema import NewDataset


@dataclass(frozen=True)
class Datasets:
    """What may be done with datasets. Each raises NotFound for what other projects own, and
    Forbidden where the caller's role is too small: viewers read, members write, admins delete."""

    sessions: Sessions
    files: Files
    buckets: Callable[[], Collection[str]]
    now: Callable[[], datetime]

    async def list(self, user: User, project: UUID | None, page: Page) -> Any:
        """A page of them, and the cursor of the next."""
        projects = readable_projects(user, project)
        async with self.sessions() as session:
            return await list_page(session, Dataset, projects, page)

    async def create(self, user: User, wanted: NewDataset) -> Dataset:
        """Raises Conflict for a name and version that are taken, Invalid for a strange place."""
        project = choose_project(user, wanted.project_id)
        if wanted.storage_uri is not None:
            place.check_place(
                wanted.storage_uri,
                field="storage_uri",
                bucket=self.files.storage.bucket,
                allowed=[place.project_prefix(project)],
                buckets=self.buckets(),
            )
        now = self.now()
        made = Dataset(
            **wanted.model_dump(exclude={"project_id"}),
            id=uuid4(),
            project_id=project,
            pii_scan_status=dataset.NOT_SCANNED,
            created_by=user.subject,
            created_at=now,
            updated_at=now,
        )
        async with self.sessions.begin() as session:
            await dataset.add(session, made)
            await audit.write(await driver_of(session), made.id)
        return made

    async def read(self, user: User, dataset_id: UUID, role: Role = "viewer") -> Dataset:
        async with self.sessions() as session:
            found = await dataset.find(session, dataset_id)
        demand(user, found.project_id, role)
        return found

    async def delete(self, user: User, dataset_id: UUID) -> Dataset:
        """Raises InUse while something depends on it."""
        await self.read(user, dataset_id, "admin")
        async with self.sessions.begin() as session:
            removed = await dataset.remove(session, dataset_id)
            await audit.write(await driver_of(session))
        await self.files.objects.delete_prefix(_prefix(removed))
        return removed

    async def preview(
        self, user: User, dataset_id: UUID, name: str | None, limit: int
    ) -> dict[str, Any]:
        """The first rows of the named file, or of the first one."""
        found = await self.read(user, dataset_id)
        files = [each for each in found.files if name in (None, each["name"])]
        if not files:
            raise NotFound("The dataset has no such file." if name else "The dataset is empty.")
        file = files[0]
        head = await self.files.objects.get_start(_prefix(found) + file["name"], preview.HEAD)
        complete = file["size"] <= len(head)
        return preview.preview(file["name"], head, complete=complete, limit=limit)

    async def list_files(self, user: User, dataset_id: UUID) -> Any:
        """Those that the catalog knows of, each with an address."""
        found = await self.read(user, dataset_id)
        return self.files.listed(found.storage_uri, found.files, now=self.now())

    async def lineage(self, user: User, dataset_id: UUID) -> dict[str, Any]:
        """What was made of it."""
        found = await self.read(user, dataset_id)
        async with self.sessions() as session:
            return {"dataset": dataset.name_of(found)} | await lineage.of_dataset(session, found)

    async def receive(
        self, user: User, dataset_id: UUID, content_type: str | None, body: AsyncIterable[bytes]
    ) -> dict[str, Any]:
        """Adds the files of a form; each is there once it is complete, whatever follows it."""
        found = await self._writable(user, dataset_id)
        async with aclosing(self.files.receive(_prefix(found), content_type, body)) as files:
            async for file in files:
                found = await self._add(found, file)
        return dataset.show(found)

    async def begin_parts(self, user: User, dataset_id: UUID, wanted: Wanted) -> dict[str, Any]:
        """Addresses for the parts of one large file."""
        found = await self._writable(user, dataset_id)
        return await self.files.begin(_prefix(found), wanted, now=self.now())

    async def join_parts(
        self, user: User, dataset_id: UUID, name: str, upload_id: str, etags: dict[int, str]
    ) -> dict[str, Any]:
        """Adds the file whose parts are all there."""
        found = await self._writable(user, dataset_id)
        file = await self.files.join(_prefix(found), name, upload_id, etags)
        return dataset.show(await self._add(found, file))

    async def abort_parts(self, user: User, dataset_id: UUID, name: str, upload_id: str) -> None:
        """Gives an upload in parts up."""
        found = await self._writable(user, dataset_id)
        await self.files.abort(_prefix(found), name, upload_id)

    async def _writable(self, user: User, dataset_id: UUID) -> Dataset:
        found = await self.read(user, dataset_id, "member")
        if found.storage_uri not in (None, dataset.own_uri(self.files.storage.bucket, dataset_id)):
            raise Conflict(f"The dataset's files lie at {found.storage_uri}; put them there.")
        async with self.sessions() as session:
            await dataset.check_idle(session, dataset_id)
        return found

    async def _add(self, found: Dataset, file: Stored) -> Dataset:
        bucket = self.files.storage.bucket
        try:
            async with self.sessions.begin() as session:
                return await dataset.add_file(
                    session, found.id, file, bucket=bucket, now=self.now()
                )
        except NotFound:
            await self.files.objects.delete_prefix(_prefix(found))
            raise


def _prefix(found: Dataset) -> str:
    return address.dataset_prefix(str(found.id))
