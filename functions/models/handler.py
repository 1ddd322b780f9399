"""The catalog of models: what is asked by HTTP, in short transactions with S3 between them."""

from collections.abc import AsyncIterable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlmodel import col

from common.access import audit
from common.access.permission import demand
from common.catalogue import model, place, upload
from common.catalogue.model import ModelStatus
from common.catalogue.page import Page, list_page
from common.catalogue.project import choose_project, readable_projects
from common.catalogue.session import Sessions, driver_of
from common.catalogue.stored import Stored
from common.catalogue.upload import Wanted
from common.errors import Conflict, Invalid, NotFound, Violation
from common.settings import Storage
from common.storage import address
from common.storage.objects import Objects
from common.tables.model import Model
from common.tokens.user_token import Role, User
from functions.models.schema import NewModel


@dataclass(frozen=True)
class Models:
    """What may be done with models. Each raises NotFound for what other projects own, and
    Forbidden where the caller's role is too small: viewers read, members write, admins delete."""

    sessions: Sessions
    objects: Objects
    storage: Storage
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
            allowed = [place.project_prefix(project)]
            bucket = self.storage.bucket
            place.check_place(
                wanted.storage_uri, field="storage_uri", bucket=bucket, allowed=allowed
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
        once they are gone. Raises Conflict while a job that has not ended uses it."""
        await self.read(user, model_id, "admin")
        async with self.sessions.begin() as session:
            removed = await model.remove(session, model_id)
            await audit.write(await driver_of(session))
        await self.objects.delete_prefix(_prefix(removed))
        registered = address.model_prefix(removed.name, removed.version)
        if removed.storage_uri == f"s3://{self.storage.bucket}/{registered}":
            await self.objects.delete_prefix(registered)
        async with self.sessions.begin() as session:
            await model.release(session, removed)
        return removed

    async def receive(
        self, user: User, model_id: UUID, content_type: str | None, body: AsyncIterable[bytes]
    ) -> Model:
        """Adds the files of a form; each is there once it is complete, whatever follows it."""
        found = await self._writable(user, model_id)
        async with aclosing(
            upload.receive(self.objects, _prefix(found), content_type, body)
        ) as files:
            async for file in files:
                found = await self._add(found, file)
        return found

    async def begin_parts(self, user: User, model_id: UUID, wanted: Wanted) -> dict[str, Any]:
        """Addresses for the parts of one large file."""
        prefix = _prefix(await self._writable(user, model_id))
        return await upload.begin_parts(self.objects, self.storage, prefix, wanted, now=self.now())

    async def join_parts(
        self, user: User, model_id: UUID, name: str, upload_id: str, etags: dict[int, str]
    ) -> Model:
        """Adds the file whose parts are all there."""
        found = await self._writable(user, model_id)
        file = await upload.join_parts(self.objects, _prefix(found), name, upload_id, etags)
        return await self._add(found, file)

    async def _writable(self, user: User, model_id: UUID) -> Model:
        found = await self.read(user, model_id, "member")
        if found.storage_uri not in (None, model.own_uri(self.storage.bucket, found)):
            raise Conflict(f"The model's files lie at {found.storage_uri} and stay as they are.")
        async with self.sessions() as session:
            await model.check_idle(session, model_id)
        return found

    async def _add(self, found: Model, file: Stored) -> Model:
        bucket = self.storage.bucket
        try:
            async with self.sessions.begin() as session:
                return await model.add_file(session, found.id, file, bucket=bucket, now=self.now())
        except NotFound:
            await self.objects.delete_prefix(_prefix(found))
            raise


def _prefix(found: Model) -> str:
    return place.model_uploads(found.project_id, found.id)
