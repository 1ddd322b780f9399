"""Tokens that are kept here: their digests stored, revocable, refreshed in families."""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID, uuid4

from common import cursor
from common.access import permission
from common.cursor import Instant, Page, page
from common.errors import Forbidden, NotFound, Unauthenticated
from common.postgres import Connection, Queryable, statement
from common.tokens.user_token import Role, User, roles_of

Kind = Literal["person", "machine"]

PREFIX = "evt_"
REFRESH_PREFIX = "evr_"
REFRESH_LIFETIME = timedelta(days=90)
NO_SUCH = "There is no such token."
NOT_REFRESHED = "The refresh token is not valid; make a new token."


@dataclass(frozen=True, slots=True)
class Secrets:
    """What is shown once. Of 256 random bits a plain digest gives nothing away."""

    token: str
    refresh: str | None


@dataclass(frozen=True, slots=True)
class Issued:
    """A token, and its secrets."""

    id: UUID
    secrets: Secrets
    subject: str
    expires_at: datetime
    project_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a token shall be."""

    kind: Kind
    name: str
    lifetime: timedelta
    refreshable: bool = False
    project_id: UUID | None = None
    role: Role = "member"


async def create(connection: Connection, user: User, wanted: Wanted, *, now: datetime) -> Issued:
    """A token for the caller itself, or for a machine of a project that it administers. Raises
    Forbidden for who shows such a token: what leaks once must not make more; and where the role is
    too small, NotFound for another's project."""
    if user.minted == "here":
        raise Forbidden("A token that was made here makes no others; sign in.")
    person = wanted.kind == "person"
    row: dict[str, Any] = {
        "kind": wanted.kind,
        "name": wanted.name,
        "subject": user.subject if person else f"machine:{wanted.name}",
        "project_id": wanted.project_id,
        # A provider's groups change; what is kept here must not outlive them.
        "roles": _kept_roles(user) if person else {str(wanted.project_id): wanted.role},
        "administers": person and user.minted == "key" and user.administers,
        "created_by": user.subject,
        "family": uuid4(),
        "refresh_expires_at": now + REFRESH_LIFETIME if wanted.refreshable else None,
    }
    return await _insert(connection, row, wanted.lifetime, now)


@dataclass(frozen=True, slots=True)
class Refreshed:
    """Whose token was to be refreshed, and the new one; None where its family was revoked instead."""

    user: User
    project_id: UUID | None
    issued: Issued | None


async def refresh(connection: Connection, secret: str, *, now: datetime) -> Refreshed:
    """The next token of the family, with new secrets; the ones before count no more. Where the
    refresh token was used before, somebody has a copy: the family is revoked, which the caller must
    commit. Raises Unauthenticated."""
    row = await connection.fetchrow(statement("lock_refreshed_token"), digest(secret))
    if row is None or row["revoked_at"] or row["refresh_expires_at"] <= now:
        raise Unauthenticated(NOT_REFRESHED)
    user = User(row["subject"], {}, minted="here", token_id=row["id"])
    if row["replaced_at"]:
        await connection.execute(statement("revoke_family"), row["family"], now)
        return Refreshed(user, row["project_id"], None)
    await connection.execute(statement("replace_token"), row["id"], now)
    lifetime = row["expires_at"] - row["created_at"]
    made = await _insert(connection, dict(row), lifetime, now)
    return Refreshed(user, row["project_id"], made)


async def revoke(connection: Connection, user: User, token_id: UUID, *, now: datetime) -> Any:
    """Takes back a token and all of its family. Raises NotFound for another's, and Forbidden for a
    machine's where the caller is no admin of its project."""
    row = await connection.fetchrow(statement("read_token"), token_id)
    if row is None or (row["kind"] == "person" and not _is_of(row, user)):
        raise NotFound(NO_SUCH)
    if row["kind"] == "machine":
        permission.demand(user, row["project_id"], "admin", NO_SUCH)
    await connection.execute(statement("revoke_family"), row["family"], now)
    return await connection.fetchrow(statement("read_token"), token_id)


async def list_tokens(
    connection: Queryable, subject: str, project: UUID | None, *, limit: int, after: str | None
) -> Page:
    """The person's own, or those of a project's machines; newest first. Raises Invalid for a bad
    cursor."""
    place = cursor.read(after, tuple[Instant, UUID]) or (None, None)
    rows = await connection.fetch(statement("list_tokens"), subject, project, *place, limit + 1)
    return page(rows, limit, "created_at", "id")


@dataclass(frozen=True, slots=True)
class Found:
    """A token that counts, and for whom."""

    user: User
    member_roles: Mapping[str, Role]
    expires_at: datetime


async def find(connection: Queryable, secret: str) -> Found | None:
    """None for a token that is unknown, revoked or replaced."""
    row = await connection.fetchrow(statement("find_token"), digest(secret))
    if row is None:
        return None
    user = User(row["subject"], roles_of(row["roles"]), row["administers"], "here", row["id"])
    return Found(user, roles_of(row["member_roles"]), row["expires_at"])


def digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "replace")).digest()


async def _insert(
    connection: Connection, row: dict[str, Any], lifetime: timedelta, now: datetime
) -> Issued:
    made = Secrets(_secret(PREFIX), _secret(REFRESH_PREFIX) if row["refresh_expires_at"] else None)
    issued = Issued(uuid4(), made, row["subject"], now + lifetime, row["project_id"])
    await connection.execute(
        statement("insert_token"),
        row
        | {
            "id": issued.id,
            "secret": digest(made.token).hex(),
            "refresh": digest(made.refresh).hex() if made.refresh else None,
            "created_at": now,
            "expires_at": issued.expires_at,
        },
    )
    return issued


def _secret(prefix: str) -> str:
    return prefix + secrets.token_urlsafe(32)


def _kept_roles(user: User) -> Mapping[str, Role]:
    return user.roles if user.minted == "key" else {}


def _is_of(row: Mapping[str, Any], user: User) -> bool:
    return user.administers or row["subject"] == user.subject
