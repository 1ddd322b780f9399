"""What a person or a program of theirs shows: a subject, and a role in each project."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, cast
from uuid import UUID

from common.errors import Unauthenticated
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
    import jwt

    issued = int(now.timestamp())
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": subject,
        "projects": dict(projects),
        "iat": issued,
        "exp": issued + int(lifetime.total_seconds()),
    }
    key = ring.signing
    return jwt.encode(claims, key.secret, algorithm=key.algorithm, headers={"kid": key.kid})


class UserTokens:
    """Verifies user tokens, whoever published the keys."""

    def __init__(self, keys: KeySource, *, issuer: str = ISSUER, audience: str = AUDIENCE) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience

    def verify(self, token: str, now: datetime) -> User:
        """Raises Unauthenticated."""
        try:
            return _user(self._claims(token, now), now)
        except (ValueError, OverflowError, OSError, TypeError):
            raise Unauthenticated("The token is not valid.") from None

    def _claims(self, token: str, now: datetime) -> dict[str, Any]:
        import jwt

        if len(token) > LONGEST_TOKEN:
            raise ValueError("too long")
        try:
            kid = jwt.get_unverified_header(token).get("kid")
            key = self._keys.find(kid, now) if isinstance(kid, str) else None
            if key is None:
                raise ValueError("no key of this name")
            return jwt.decode(
                token,
                key.secret,
                algorithms=[key.algorithm],
                audience=self._audience,
                issuer=self._issuer,
                options={
                    "require": ["exp", "iat", "sub", "aud", "iss"],
                    "verify_exp": False,
                    "verify_iat": False,
                    "strict_aud": True,
                },
            )
        except jwt.PyJWTError as wrong:
            raise ValueError(str(wrong)) from None


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
