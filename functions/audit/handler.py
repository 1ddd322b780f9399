"""Shows administrators who changed what."""

from uuid import UUID

import asyncpg

from common.access.audit import list_entries
from common.access.permission import demand
from common.access.project import NO_PROJECT
from common.errors import Forbidden
from common.tokens.user_token import User
from functions.audit import schema


async def audit(
    user: User,
    project: UUID | None,
    subject: str | None,
    *,
    pool: asyncpg.Pool,
    limit: int,
    after: str | None,
) -> schema.Audit:
    """Called by HTTP. The entries of one project, or of all that the caller administers, the newest
    first; those of no project are for who administers the installation. Raises NotFound, Forbidden,
    and Invalid for a bad cursor."""
    if project is not None:
        demand(user, project, "admin", NO_PROJECT)
    found = await list_entries(pool, _projects(user, project), subject, limit=limit, after=after)
    return {"entries": list(map(schema.entry, found.rows)), "nextCursor": found.next_cursor}


def _projects(user: User, project: UUID | None) -> list[UUID] | None:
    """None for all there are."""
    if project is not None:
        return [project]
    if user.administers:
        return None
    mine = [UUID(each) for each in user.projects if user.may(each, "admin")]
    if not mine:
        raise Forbidden("This takes the role admin.")
    return mine
