"""Whom a project wants to be told, and what became of telling them."""

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import asyncpg

from common.access.permission import demand
from common.errors import Conflict, Forbidden, Invalid, NotFound, Violation
from common.jobs import webhook as address
from common.jobs.webhook import Policy
from common.postgres import transaction
from common.tokens.user_token import Role, User
from common.webhooks import delivery, subscription
from common.webhooks.delivery import Wanted
from common.webhooks.subscription import TELLING
from functions.webhooks import schema
from functions.webhooks.schema import NewWebhook


@dataclass(frozen=True)
class Webhooks:
    """Called by HTTP. Raises NotFound for what is others', Forbidden for too small a role."""

    pool: asyncpg.Pool
    policy: Callable[[], Policy]
    wake: Callable[[], Awaitable[None]]
    now: Callable[[], datetime]

    async def list(self, user: User, project: UUID | None) -> schema.Webhooks:
        """The webhooks of the projects that the caller administers."""
        rows = await subscription.all_of(self.pool, _projects(user, project, "admin"))
        return {"webhooks": [schema.show_webhook(row) for row in rows]}

    async def create(self, user: User, wanted: NewWebhook) -> schema.CreatedWebhook:
        """Raises Invalid for an address that is not called, Conflict for one too many."""
        project = _one_project(user, wanted.project_id)
        problem = address.problem(wanted.url, self.policy())
        if problem is not None:
            raise Invalid([Violation("url", problem)])
        events = [each for each in TELLING if each in wanted.events or not wanted.events]
        made = subscription.Webhook(uuid4(), project, wanted.url, events, user.subject)
        async with transaction(self.pool) as connection:
            row, secret = await subscription.add(connection, made, now=self.now())
        return {**schema.show_webhook(row), "secret": secret}

    async def delete(self, user: User, webhook_id: UUID) -> schema.Webhook:
        row = await self._find(user, webhook_id)
        await subscription.remove(self.pool, webhook_id)
        return schema.show_webhook(row)

    async def rotate(self, user: User, webhook_id: UUID) -> schema.Secret:
        """A new secret; the one before signs beside it for a while."""
        await self._find(user, webhook_id)
        return await self._rotate(webhook_id)

    async def rotate_of_project(self, user: User, project: UUID | None) -> schema.Secret:
        """The same for what signs the deliveries to addresses that jobs name."""
        return await self._rotate(_one_project(user, project))

    async def test(self, user: User, webhook_id: UUID) -> schema.Delivery:
        """A delivery that tells of nothing, sent at once and tried once."""
        row = await self._find(user, webhook_id)
        made = await delivery.add_test(self.pool, row, uuid4(), now=self.now())
        await self.wake()
        return schema.show_delivery(made)

    async def deliveries(
        self, wanted: Wanted, *, limit: int, after: str | None
    ) -> schema.Deliveries:
        """A page of what was told, the newest first. Raises Invalid for a bad cursor."""
        page = await delivery.list_deliveries(self.pool, wanted, limit=limit, after=after)
        shown = [schema.show_delivery(row) for row in page.rows]
        return {"deliveries": shown, "nextCursor": page.next_cursor}

    async def redeliver(self, user: User, delivery_id: UUID) -> schema.Delivery:
        """Sends it once more, under the same id. Raises Conflict while it is being sent."""
        row = await delivery.find(self.pool, delivery_id)
        if row is None:
            raise NotFound("There is no such delivery.")
        demand(user, row["project_id"], "member")
        again = await delivery.redeliver(self.pool, delivery_id, now=self.now())
        if again is None:
            raise Conflict("It is being sent just now; look at its log in a minute.")
        await self.wake()
        return schema.show_delivery(again)

    async def _rotate(self, owner: UUID) -> schema.Secret:
        now: datetime = self.now()
        overlap: timedelta = subscription.OVERLAP
        secret = await subscription.rotate(self.pool, owner, now=now)
        return {"secret": secret, "formerUntil": now + overlap}

    async def _find(self, user: User, webhook_id: UUID) -> subscription.Row:
        row = await subscription.find(self.pool, webhook_id)
        if row is None:
            raise NotFound("There is no such webhook.")
        demand(user, row["project_id"], "admin")
        return row


def readable(user: User, project: UUID | None) -> Collection[UUID]:
    """The projects whose deliveries the caller may see."""
    return _projects(user, project, "viewer")


def _projects(user: User, named: UUID | None, role: Role) -> Collection[UUID]:
    if named is not None:
        demand(user, named, role)
        return [named]
    found = [UUID(each) for each in user.projects if user.may(each, role)]
    if not found and not user.administers:
        raise Forbidden(f"This needs the role {role} in a project.")
    return found


def _one_project(user: User, named: UUID | None) -> UUID:
    projects = [named] if named else [UUID(each) for each in user.projects]
    if len(projects) > 1:
        reason = "is required: your token is for several projects"
        raise Invalid([Violation("projectId", reason)])
    if not projects:
        raise Forbidden("Your token is for no project.")
    demand(user, projects[0], "admin")
    return projects[0]
