"""What a person or a program of theirs shows: a subject, and a role in each project."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, cast
from uuid import UUID

import msgspec

from common.errors import Unauthenticated
from common.tokens import signature
from common.tokens.keyring import KeyRing, KeySource

Role = Literal["viewer", "member", "admin"]

ISSUER = "eventrain"
AUDIENCE = "eventrain-api"
RANKS: Mapping[str, int] = {"viewer": 1, "member": 2, "admin": 3}
CLOCK_SKEW = timedelta(seconds=60)
LONGEST_TOKEN = 16_384


@dataclass(frozen=True, slots=True)
class User:
    """A verified caller and what it may do where."""

    subject: str
    roles: Mapping[str, Role]

    def may(self, project: UUID | str, role: Role) -> bool:
        """Whether the caller has at least this role in the project."""
        held = self.roles.get(str(project))
        return held is not None and RANKS[held] >= RANKS[role]

    @property
    def projects(self) -> tuple[str, ...]:
        return tuple(self.roles)


def issue(
    ring: KeyRing,
    subject: str,
    projects: Mapping[str, Role],
    now: datetime,
    lifetime: timedelta,
) -> str:
    """A token for this person."""
    issued = int(now.timestamp())
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": subject,
        "projects": dict(projects),
        "iat": issued,
        "exp": issued + int(lifetime.total_seconds()),
    }
    return signature.sign(claims, ring.signing)


class UserTokens:
    """Verifies user tokens of our own keys."""

    def __init__(self, keys: KeySource, *, issuer: str = ISSUER, audience: str = AUDIENCE) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience

    def verify(self, token: str, now: datetime) -> User:
        """Raises Unauthenticated."""
        try:
            return _user(self._claims(token, now), now)
        except (ValueError, LookupError, TypeError, OverflowError, OSError):
            raise Unauthenticated("The token is not valid.") from None

    def _claims(self, token: str, now: datetime) -> dict[str, Any]:
        payload, _ = signature.open_token(token, self._keys, now, LONGEST_TOKEN)
        claims = msgspec.json.decode(payload, type=dict[str, Any])
        if (claims.get("iss"), claims.get("aud")) != (self._issuer, self._audience):
            raise ValueError("not for users")
        return claims


def _user(claims: dict[str, Any], now: datetime) -> User:
    issued, expires = int(claims["iat"]), int(claims["exp"])
    if expires <= now.timestamp():
        raise Unauthenticated("The token has expired; ask for a new one.")
    if issued > (now + CLOCK_SKEW).timestamp():
        raise ValueError("issued in the future")
    subject, projects = claims["sub"], claims.get("projects")
    if not isinstance(subject, str) or not subject or not subject.isprintable():
        raise ValueError("no subject")
    return User(subject, _roles(projects))


def _roles(projects: object) -> dict[str, Role]:
    if not isinstance(projects, dict):
        raise TypeError("projects are no object")
    roles: dict[str, Role] = {}
    for project, role in cast("dict[str, Any]", projects).items():
        if role not in RANKS:
            raise ValueError("no such role")
        roles[str(UUID(project))] = role
    return roles
