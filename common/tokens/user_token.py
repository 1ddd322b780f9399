"""What a person or a program of theirs shows: a subject, and a role in each project.

`User` is what everybody else knows of a caller; `common.access.gate` makes it, from a token of the
local key as below, of an identity provider, or of ours that can be revoked.
"""

import base64
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
Minted = Literal["key", "provider", "here"]

ISSUER = "eventrain"
AUDIENCE = "eventrain-api"
RANKS: Mapping[str, int] = {"viewer": 1, "member": 2, "admin": 3}
CLOCK_SKEW = timedelta(seconds=60)
LONGEST_TOKEN = 16_384
LONGEST_SUBJECT = 255


@dataclass(frozen=True, slots=True)
class User:
    """A verified caller and what it may do where. Who administers the installation is an admin of
    every project. `minted` says whose token it showed: signed with the local key, by an identity
    provider, or kept here, under `token_id`."""

    subject: str
    roles: Mapping[str, Role]
    administers: bool = False
    minted: Minted = "key"
    token_id: UUID | None = None

    def role_in(self, project: UUID | str) -> Role | None:
        """What the caller is in the project, if anything."""
        return "admin" if self.administers else self.roles.get(str(project))

    def may(self, project: UUID | str, role: Role) -> bool:
        """Whether the caller has at least this role in the project."""
        held = self.role_in(project)
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
    *,
    administers: bool = False,
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
    if administers:
        claims["administers"] = True
    return signature.sign(claims, ring.signing)


def issuer_of(token: str) -> str | None:
    """Whom a token names as its issuer, which is not verified yet."""
    payload = token.split(".")[1:2]
    try:
        return msgspec.json.decode(_unpadded(payload[0]), type=_Issued).iss
    except (ValueError, IndexError, msgspec.MsgspecError):
        return None


def greatest(*several: Mapping[str, Role]) -> dict[str, Role]:
    """The greatest role that any of them gives in each project."""
    roles: dict[str, Role] = {}
    for project, role in (each for one in several for each in one.items()):
        held = roles.get(project)
        if held is None or RANKS[role] > RANKS[held]:
            roles[project] = role
    return roles


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
    subject, administers = subject_of(claims["sub"]), claims.get("administers", False)
    if not isinstance(administers, bool):
        raise TypeError("neither true nor false")
    return User(subject, roles_of(claims.get("projects")), administers)


def subject_of(claim: object) -> str:
    """Raises ValueError for what is no name."""
    if not isinstance(claim, str) or not 0 < len(claim) <= LONGEST_SUBJECT:
        raise ValueError("no subject")
    if not claim.isprintable():
        raise ValueError("no subject")
    return claim


def roles_of(projects: object) -> dict[str, Role]:
    """Raises ValueError and TypeError for what is not a role for each project's id."""
    if not isinstance(projects, dict):
        raise TypeError("projects are no object")
    roles: dict[str, Role] = {}
    for project, role in cast("dict[str, Any]", projects).items():
        if role not in RANKS:
            raise ValueError("no such role")
        roles[str(UUID(project))] = role
    return roles


class _Issued(msgspec.Struct):
    iss: str


def _unpadded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
