"""Tokens that can be listed and revoked, for people and for machines."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from common.access import audit, permission, token
from common.access.audit import Entry
from common.access.project import NO_PROJECT
from common.access.token import NOT_REFRESHED, Wanted
from common.errors import Invalid, Unauthenticated, Violation
from common.postgres import transaction
from common.tokens.user_token import User
from functions.tokens import schema
from functions.tokens.schema import NewToken

REFRESH = "POST /llm-ops/v1/tokens/refresh"
REUSED = "REUSED"


@dataclass(frozen=True)
class Tokens:
    """Everybody makes, sees and revokes tokens of its own; admins of a project those of its
    machines. Every change is audited in its own transaction."""

    pool: asyncpg.Pool
    now: Callable[[], datetime]

    async def create(self, user: User, wanted: NewToken) -> schema.Secrets:
        """Raises Invalid for a machine without a project, NotFound, and Forbidden, also for who
        shows such a token itself."""
        if wanted.kind == "machine" and wanted.project_id is None:
            raise Invalid([Violation("projectId", "is required for a machine")])
        project = wanted.project_id if wanted.kind == "machine" else None
        if project is not None:
            permission.demand(user, project, "admin", NO_PROJECT)
        asked = Wanted(
            wanted.kind,
            wanted.name,
            timedelta(seconds=wanted.expires_in_seconds),
            wanted.refreshable,
            project,
            wanted.role,
        )
        async with transaction(self.pool) as connection:
            made = await token.create(connection, user, asked, now=self.now())
            await audit.write(connection, made.id, project=project)
        return schema.issued(made)

    async def list(
        self, user: User, project: UUID | None, *, limit: int, after: str | None
    ) -> schema.Tokens:
        if project is not None:
            permission.demand(user, project, "admin", NO_PROJECT)
        found = await token.list_tokens(self.pool, user.subject, project, limit=limit, after=after)
        return {"tokens": list(map(schema.token, found.rows)), "nextCursor": found.next_cursor}

    async def revoke(self, user: User, token_id: UUID) -> schema.Token:
        """Raises NotFound. Revoked again, it changes nothing."""
        async with transaction(self.pool) as connection:
            row = await token.revoke(connection, user, token_id, now=self.now())
            await audit.write(connection, token_id, project=row["project_id"])
        return schema.token(row)

    async def refresh(self, secret: str, *, request_id: str) -> schema.Secrets:
        """Raises Unauthenticated for what is no refresh token, or one that was used before; then
        its whole family is revoked, and whoever has the newest must sign in again."""
        now = self.now()
        async with transaction(self.pool) as connection:
            refreshed = await token.refresh(connection, secret, now=now)
            entry = Entry(refreshed.user, now, REFRESH, None, request_id, refreshed.project_id)
            await audit.note(connection, entry, audit.DONE if refreshed.issued else REUSED)
        if refreshed.issued is None:
            raise Unauthenticated(NOT_REFRESHED)
        return schema.issued(refreshed.issued)
