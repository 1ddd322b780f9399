"""The store of projects and of who belongs to them."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from common import cursor
from common.access.quota import Quota
from common.cursor import Page, Text, page
from common.errors import Conflict, NotFound
from common.postgres import Connection, Queryable, statement
from common.tokens.user_token import Role

Row = Mapping[str, Any]

NO_PROJECT = "There is no such project."


async def create(
    connection: Connection, project: UUID, name: str, *, by: str, now: datetime
) -> None:
    """Without members: whoever makes projects is an admin of each already. Raises Conflict for an
    id that is taken."""
    if await connection.fetchval(statement("insert_project"), project, name, by, now) is None:
        raise Conflict("There is a project of this id already.")


async def list_projects(
    connection: Queryable,
    projects: Collection[UUID],
    *,
    all_named: bool,
    limit: int,
    after: str | None,
) -> Page:
    """These, named or not, and with `all_named` all that have a name. Raises Invalid for a bad
    cursor."""
    (place,) = cursor.read(after, tuple[UUID]) or (None,)
    rows = await connection.fetch(
        statement("list_projects"), list(projects), all_named, place, limit + 1
    )
    return page(rows, limit, "id")


async def find(connection: Queryable, project: UUID) -> Row:
    """One that the caller may see, whether it has a row or not."""
    rows = await connection.fetch(statement("list_projects"), [project], False, None, 1)
    return rows[0]


async def lock(connection: Connection, project: UUID, *, by: str, now: datetime) -> Row:
    """Its row until the transaction ends; one that only tokens named until now gets it here."""
    name = f"project {str(project)[:8]}"
    await connection.fetchval(statement("insert_project"), project, name, by, now)
    row = await connection.fetchrow(statement("lock_project"), project)
    assert row is not None
    return row


async def change(connection: Connection, project: UUID, name: str, quota: Quota) -> None:
    await connection.execute(
        statement("change_project"), project, name, quota.live_jobs, quota.gpus, quota.gpu_hours
    )


async def list_members(
    connection: Queryable, project: UUID, *, limit: int, after: str | None
) -> Page:
    """By name. Raises Invalid for a bad cursor."""
    (place,) = cursor.read(after, tuple[Text]) or (None,)
    rows = await connection.fetch(statement("list_members"), project, place, limit + 1)
    return page(rows, limit, "subject")


async def put_member(
    connection: Connection, project: UUID, subject: str, role: Role, *, by: str, now: datetime
) -> Row:
    """New, or with another role than before."""
    row = await connection.fetchrow(statement("put_member"), project, subject, role, by, now)
    assert row is not None
    return row


async def delete_member(connection: Connection, project: UUID, subject: str) -> Row:
    """Raises NotFound."""
    row = await connection.fetchrow(statement("delete_member"), project, subject)
    if row is None:
        raise NotFound("The project has no such member.")
    return row
