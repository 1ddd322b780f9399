"""Opens streams: who may watch what, from where on."""

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

import msgspec

from common.access.gate import Gate
from common.asgi import Request
from common.errors import NotFound
from common.jobs import permission
from common.live.jobs import place_of
from common.live.place import Place
from common.live.stream import Streams
from common.tokens import signature, stream_token
from common.tokens.keyring import KeyRing
from common.tokens.user_token import User, UserTokens
from functions.live.schema import ListQuery, Ticket

Pieces = AsyncGenerator[bytes]


class Caller(NamedTuple):
    """Who asks, and until when what was shown holds."""

    user: User
    until: datetime | None


@dataclass(frozen=True)
class Live:
    """Called by HTTP. Emits nothing. A page's `tickets` open streams and nothing else."""

    streams: Streams
    gate: Gate
    tickets: UserTokens
    ring: KeyRing
    now: Callable[[], datetime]

    async def identify(self, request: Request, ticket: str | None = None) -> Caller:
        """By the header or, for a page, by its ticket. Raises Unauthenticated."""
        if ticket is not None and request.header(b"authorization") is None:
            return Caller(self.tickets.verify(ticket, self.now()), _end_of(ticket))
        token = request.bearer()
        return Caller(await self.gate.admit(token, request.method, request.path), _end_of(token))

    def issue(self, caller: Caller) -> Ticket:
        """A ticket for a page of this caller's."""
        return Ticket(*stream_token.issue(self.ring, caller.user, self.now(), caller.until))

    async def watch_job(self, caller: Caller, job_id: UUID, last_event_id: str | None) -> Pieces:
        """Raises NotFound, Invalid for an id that no stream gave out, and Unavailable when too
        many streams are open."""
        told = Place.read(last_event_id) if last_event_id else None
        self.streams.check_room()
        row = await self.streams.jobs.find(job_id)
        permission.allow(row["project_id"] if row else None, caller.user, "viewer")
        assert row is not None
        place = place_of(row, told)
        return self.streams.of_job(row, place, caller.until)

    async def watch_list(self, caller: Caller, query: ListQuery) -> Pieces:
        """Raises NotFound for a project of others, Invalid, and Unavailable."""
        wanted = query.filter()
        mine = [UUID(project) for project in caller.user.projects]
        if not all(caller.user.may(project, "viewer") for project in wanted.projects):
            raise NotFound("There is no such project.")
        self.streams.check_room()
        wanted = replace(wanted, projects=wanted.projects or mine)
        return self.streams.of_list(wanted, query.limit, caller.until)


class _Expiry(msgspec.Struct):
    exp: int | None = None


def _end_of(token: str) -> datetime | None:
    """When a token that was verified expires; None where it does not say."""
    try:
        claims = signature.read_unverified(token, _Expiry)
        return None if claims.exp is None else datetime.fromtimestamp(claims.exp, UTC)
    except (ValueError, OverflowError, OSError, msgspec.MsgspecError):
        return None
