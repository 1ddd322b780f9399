"""Projects: what they are called, what they may use, who belongs to them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

import asyncpg

from common.access import audit, permission, project, quota
from common.access.quota import Quota
from common.postgres import transaction
from common.tokens.user_token import Role, User
from functions.projects import schema
from functions.projects.schema import Change, NewProject, NewQuota


@dataclass(frozen=True)
class Projects:
    """What may be done with projects. Each raises NotFound for a project of others and Forbidden
    where the role is too small: viewers read; admins name it and choose its members; who
    administers the installation makes projects and sets quotas. Every change is audited in its own
    transaction."""

    pool: asyncpg.Pool
    now: Callable[[], datetime]

    async def list(self, user: User, *, limit: int, after: str | None) -> schema.Projects:
        """The caller's, and for who administers the installation all that have a name."""
        mine = [UUID(each) for each in user.projects]
        found = await project.list_projects(
            self.pool, mine, all_named=user.administers, limit=limit, after=after
        )
        shown = [schema.project(row, user) for row in found.rows]
        return {"projects": shown, "nextCursor": found.next_cursor}

    async def create(self, user: User, wanted: NewProject) -> schema.ProjectWithUsage:
        """Raises Conflict for an id that is taken."""
        permission.demand_installation(user)
        made = wanted.id or uuid4()
        async with transaction(self.pool) as connection:
            await project.create(connection, made, wanted.name, by=user.subject, now=self.now())
            await audit.write(connection, made, project=made)
        return await self._show(user, made)

    async def read(self, user: User, project_id: UUID) -> schema.ProjectWithUsage:
        permission.demand(user, project_id, "viewer", project.NO_PROJECT)
        return await self._show(user, project_id)

    async def change(self, user: User, project_id: UUID, wanted: Change) -> schema.ProjectWithUsage:
        permission.demand(user, project_id, "admin", project.NO_PROJECT)
        if wanted.quota is not None:
            permission.demand_installation(user)
        async with transaction(self.pool) as connection:
            before = await project.lock(connection, project_id, by=user.subject, now=self.now())
            bounds = _changed(quota.quota_of(before), wanted.quota)
            await project.change(connection, project_id, wanted.name or before["name"], bounds)
            await audit.write(connection)
        return await self._show(user, project_id)

    async def members(
        self, user: User, project_id: UUID, *, limit: int, after: str | None
    ) -> schema.Members:
        permission.demand(user, project_id, "viewer", project.NO_PROJECT)
        found = await project.list_members(self.pool, project_id, limit=limit, after=after)
        shown = [schema.member(row) for row in found.rows]
        return {"members": shown, "nextCursor": found.next_cursor}

    async def put_member(
        self, user: User, project_id: UUID, subject: str, role: Role
    ) -> schema.Member:
        permission.demand(user, project_id, "admin", project.NO_PROJECT)
        async with transaction(self.pool) as connection:
            by, now = user.subject, self.now()
            await project.lock(connection, project_id, by=by, now=now)
            row = await project.put_member(connection, project_id, subject, role, by=by, now=now)
            await audit.write(connection, f"{project_id}/{subject}={role}")
        return schema.member(row)

    async def delete_member(self, user: User, project_id: UUID, subject: str) -> schema.Member:
        """Raises NotFound too for who is no member."""
        permission.demand(user, project_id, "admin", project.NO_PROJECT)
        async with transaction(self.pool) as connection:
            row = await project.delete_member(connection, project_id, subject)
            await audit.write(connection, f"{project_id}/{subject}")
        return schema.member(row)

    async def _show(self, user: User, project_id: UUID) -> schema.ProjectWithUsage:
        row = await project.find(self.pool, project_id)
        usage = await quota.read_usage(self.pool, project_id, now=self.now())
        return {**schema.project(row, user), "usage": schema.used(usage)}


def _changed(before: Quota, wanted: NewQuota | None) -> Quota:
    if wanted is None:
        return before
    given = wanted.model_fields_set
    return Quota(
        wanted.live_jobs if "live_jobs" in given else before.live_jobs,
        wanted.gpus if "gpus" in given else before.gpus,
        wanted.gpu_hours_per_month if "gpu_hours_per_month" in given else before.gpu_hours,
    )
