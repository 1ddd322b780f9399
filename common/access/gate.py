"""Who calls, what they may, and whether they call too often: asked once for each request.

A token of the local key says its roles itself; an identity provider's groups are mapped to roles; a
token that is kept here has those that it was made with. To all but a machine's, membership adds,
and of two roles in a project the greater counts.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

import asyncpg

from common import postgres, trace
from common.access import audit, token
from common.access.audit import Entry
from common.access.provider import Provider
from common.access.published import PublishedKeys, fetch
from common.access.rate import Rates, taker
from common.access.settings import Access
from common.access.token import Found
from common.errors import Unauthenticated
from common.postgres import FAULTS, statement
from common.recent import Recent
from common.tokens.user_token import Role, User, UserTokens, greatest, issuer_of, roles_of

Roles = Mapping[str, Role]

# What is revoked or taken away counts no longer than this in an instance that has just asked.
REMEMBERED_SECONDS = 5.0
REMEMBERED = 10_000
PATIENCE = 2.0


_log = logging.getLogger(__name__)


class Gate:
    """What stands before every call of a person or a machine."""

    def __init__(
        self,
        settings: Access,
        pool: asyncpg.Pool,
        now: Callable[[], datetime],
        provider: Provider | None,
    ) -> None:
        self._local = UserTokens(settings.ring)
        self._administrators = settings.administrators
        self._provider = provider
        self._pool = pool
        self._now = now
        self._rates = Rates(settings.rates, taker(pool))
        self._tokens: Recent[Found] = Recent(REMEMBERED_SECONDS, REMEMBERED)
        self._members: Recent[Roles] = Recent(REMEMBERED_SECONDS, REMEMBERED)

    async def admit(self, shown: str, method: str, path: str) -> User:
        """The caller with all that it may do, counted as one more call of this route. Raises
        Unauthenticated, TooMany, and Unavailable where nobody can say what it may."""
        user = await self.identify(shown)
        await self._rates.spend(user.subject, method, path)
        return user

    async def identify(self, shown: str) -> User:
        """The same, not counted."""
        if shown.startswith(token.PREFIX):
            user, roles = await self._kept(shown)
        elif self._provider is not None and issuer_of(shown) == self._provider.issuer:
            user = await self._provider.verify(shown, self._now())
            roles = await self._member_roles(user.subject)
        else:
            user = self._local.verify(shown, self._now())
            roles = await self._member_roles_if_known(user.subject)
        administers = user.administers or user.subject in self._administrators
        return replace(user, roles=greatest(user.roles, roles), administers=administers)

    def begin(self, user: User, action: str, target: str | None) -> Entry:
        """The audit's entry of a call that may change something."""
        request_id = trace.request_id.get() or "unknown"
        return Entry(user, self._now(), action, target, request_id)

    async def note(self, entry: Entry, outcome: str) -> None:
        """Writes what no transaction of the call wrote. The call was made: it is not undone because
        this cannot be written, which is logged."""
        try:
            await audit.note(self._pool, entry, outcome)
        except FAULTS as wrong:
            _log.error("not audited: %s by %s: %r", entry.action, entry.user.subject, wrong)

    async def _kept(self, shown: str) -> tuple[User, Roles]:
        key = token.digest(shown)
        found = self._tokens.get(key)
        if found is None:
            found = await token.find(self._pool, shown)
            if found is None:
                raise Unauthenticated("The token is not valid, or was revoked.")
            self._tokens.put(key, found)
        if found.expires_at <= self._now():
            raise Unauthenticated("The token has expired; refresh it, or make a new one.")
        return found.user, found.member_roles

    async def _member_roles(self, subject: str) -> Roles:
        roles = self._members.get(subject)
        if roles is None:
            roles = roles_of(await self._pool.fetchval(statement("read_member_roles"), subject))
            self._members.put(subject, roles)
        return roles

    async def _member_roles_if_known(self, subject: str) -> Roles:
        """A token of the local key speaks for itself: without Postgres it counts for what it says."""
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._member_roles(subject)
        except FAULTS as wrong:
            _log.warning("membership is not known just now: %r", wrong)
            self._members.put(subject, {})
            return {}


@asynccontextmanager
async def open_gate(settings: Access) -> AsyncGenerator[Gate]:
    """A gate with a connection of its own: however busy a function is, who calls it is known and
    counted."""
    pool = await postgres.open_pool(settings.database)
    named = settings.provider
    provider = Provider(named, PublishedKeys(named.issuer, fetch)) if named else None
    try:
        yield Gate(settings, pool, lambda: datetime.now(UTC), provider)
    finally:
        await postgres.close_pool(pool)
