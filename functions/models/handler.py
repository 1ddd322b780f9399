"""The catalog of models: what is asked by HTTP, in short transactions with S3 between them."""

from collections.abc import AsyncIterable, Callable, Collection
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlmodel import col

from common.access import audit
from common.access.permission import demand
from common.catalogue import lineage, model, place, receipt
from common.catalogue.files import Files
from common.catalogue.model import ModelStatus
from common.catalogue.page import Page, list_page
from common.catalogue.project import choose_project, readable_projects
from common.catalogue.session import Sessions, driver_of
from common.catalogue.stored import Stored
from common.catalogue.upload import Wanted
from common.errors import Conflict, Invalid, NotFound, Violation
from common.storage import address
from common.tables.model import Model
from common.tokens.user_token import Role, User
from functions.models.schema import NewModel


@dataclass(frozen=True)
class Models:
    """What may be done with models. Each raises NotFound for what other projects own, and
    Forbidden where the caller's role is too small: viewers read, members write, admins delete."""

    sessions: Sessions
    files: Files
    buckets: Callable[[], Collection[str]]
    now: Callable[[], datetime]

    async def list(
        self, user: User, project: UUID | None, status: ModelStatus | None, page: Page
    ) -> Any:
        """A page of them, and the cursor of the next."""
        projects = readable_projects(user, project)
        narrowed = [] if status is None else [col(Model.status) == status]
        async with self.sessions() as session:
            return await list_page(session, Model, projects, page, *narrowed)

    async def create(self, user: User, wanted: NewModel) -> Model:
        """Raises Conflict for a name and version that are taken, Invalid for a strange place."""
        project = choose_project(user, wanted.project_id)
        if "files" in wanted.metadata:
            raise Invalid([Violation("metadata.files", "is kept by the catalog")])
        if wanted.storage_uri is not None:
            place.check_place(
                wanted.storage_uri,
                field="storage_uri",
                bucket=self.files.storage.bucket,
                allowed=[place.project_prefix(project)],
                buckets=self.buckets(),
            )
        now = self.now()
        made = Model(
            **wanted.model_dump(exclude={"project_id", "metadata", "lineage_dataset_ids"}),
            id=uuid4(),
            project_id=project,
            status="draft",
            meta=wanted.metadata,
            lineage_dataset_ids=[str(each) for each in wanted.lineage_dataset_ids],
            created_by=user.subject,
            created_at=now,
            updated_at=now,
        )
        async with self.sessions.begin() as session:
            await model.add(session, made)
            await audit.write(await driver_of(session), made.id)
        return made

    async def read(self, user: User, model_id: UUID, role: Role = "viewer") -> Model:
        async with self.sessions() as session:
            found = await model.find(session, model_id)
        demand(user, found.project_id, role)
        return found

    async def change_status(self, user: User, model_id: UUID, status: ModelStatus) -> Model:
        """Raises Conflict for a move that is not allowed."""
        await self.read(user, model_id, "member")
        async with self.sessions.begin() as session:
            changed = await model.change_status(session, model_id, status, now=self.now())
            await audit.write(await driver_of(session))
        return changed

    async def delete(self, user: User, model_id: UUID) -> Model:
        """Takes along the files that were uploaded or registered, and frees the name and version
        once they are gone. Raises InUse while something depends on it."""
        await self.read(user, model_id, "admin")
        async with self.sessions.begin() as session:
            removed = await model.remove(session, model_id)
            await audit.write(await driver_of(session))
        await self.files.objects.delete_prefix(_prefix(removed))
        await self.files.objects.delete_prefix(receipt.prefix(removed.name, removed.version))
        registered = address.model_prefix(removed.name, removed.version)
        if removed.storage_uri == f"s3://{self.files.storage.bucket}/{registered}":
            await self.files.objects.delete_prefix(registered)
        async with self.sessions.begin() as session:
            await model.release(session, removed)
        return removed

    async def list_files(self, user: User, model_id: UUID) -> Any:
        """Those that the catalog knows of, each with an address."""
        found = await self.read(user, model_id)
        return self.files.listed(found.storage_uri, found.meta.get("files", []), now=self.now())

    async def lineage(self, user: User, model_id: UUID) -> dict[str, Any]:
        """What made it, and what was made of it."""
        found = await self.read(user, model_id)
        async with self.sessions() as session:
            return {"model": model.name_of(found)} | await lineage.of_model(session, found)

    async def receipt(self, user: User, model_id: UUID) -> dict[str, Any]:
        """The receipt of a registered model, as it is stored. Raises NotFound."""
        found = await self.read(user, model_id)
        if found.receipt_sha256 is None:
            raise NotFound("The model has no receipt: it was uploaded, or is older than receipts.")
        key = receipt.key_of(found.name, found.version, found.receipt_sha256)
        stored = await self.files.objects.get_bytes(key)
        return {"sha256": found.receipt_sha256, "receipt": stored.decode(errors="replace")}

    async def receive(
        self, user: User, model_id: UUID, content_type: str | None, body: AsyncIterable[bytes]
    ) -> dict[str, Any]:
        """Adds the files of a form; each is there once it is complete, whatever follows it."""
        found = await self._writable(user, model_id)
        async with aclosing(self.files.receive(_prefix(found), content_type, body)) as files:
            async for file in files:
                found = await self._add(found, file)
        return model.show(found)

    async def begin_parts(self, user: User, model_id: UUID, wanted: Wanted) -> dict[str, Any]:
        """Addresses for the parts of one large file."""
        found = await self._writable(user, model_id)
        return await self.files.begin(_prefix(found), wanted, now=self.now())

    async def join_parts(
        self, user: User, model_id: UUID, name: str, upload_id: str, etags: dict[int, str]
    ) -> dict[str, Any]:
        """Adds the file whose parts are all there."""
        found = await self._writable(user, model_id)
        file = await self.files.join(_prefix(found), name, upload_id, etags)
        return model.show(await self._add(found, file))

    async def abort_parts(self, user: User, model_id: UUID, name: str, upload_id: str) -> None:
        """Gives an upload in parts up."""
        found = await self._writable(user, model_id)
        await self.files.abort(_prefix(found), name, upload_id)

    async def _writable(self, user: User, model_id: UUID) -> Model:
        found = await self.read(user, model_id, "member")
        if found.storage_uri not in (None, model.own_uri(self.files.storage.bucket, found)):
            raise Conflict(f"The model's files lie at {found.storage_uri} and stay as they are.")
        async with self.sessions() as session:
            await model.check_idle(session, model_id)
        return found

    async def _add(self, found: Model, file: Stored) -> Model:
        bucket = self.files.storage.bucket
        try:
            async with self.sessions.begin() as session:
                return await model.add_file(session, found.id, file, bucket=bucket, now=self.now())
        except NotFound:
            await self.files.objects.delete_prefix(_prefix(found))
            raise


def _prefix(found: Model) -> str:
    return place.model_uploads(found.project_id, found.id)
