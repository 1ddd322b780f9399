"""Who the tokens of an identity provider name, and what its groups give them."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, cast
from urllib.parse import urlsplit

import msgspec

from common.access.published import PublishedKeys
from common.errors import Unauthenticated
from common.tokens.user_token import LONGEST_TOKEN, User, greatest, roles_of, subject_of

LEEWAY = timedelta(seconds=60)


class Group(msgspec.Struct, rename="camel", forbid_unknown_fields=True, frozen=True):
    """What being in a group gives: roles by project, or the whole installation."""

    projects: dict[str, Any] = {}
    administers: bool = False


class ProviderSettings(msgspec.Struct, rename="camel", forbid_unknown_fields=True, frozen=True):
    """OIDC_PROVIDER: whose tokens count, for whom they must be, and what their claims mean."""

    issuer: str
    audience: str
    subject_claim: str = "sub"
    groups_claim: str = "groups"
    groups: dict[str, Group] = {}

    @classmethod
    def parse(cls, text: str) -> "ProviderSettings":
        """Raises ValueError."""
        try:
            read = msgspec.json.decode(text, type=cls)
            for group in read.groups.values():
                roles_of(group.projects)
        except (msgspec.MsgspecError, TypeError, ValueError) as wrong:
            raise ValueError(f"cannot be read: {wrong}") from None
        if urlsplit(read.issuer).scheme not in {"http", "https"} or not read.audience:
            raise ValueError("must name an issuer by its http(s) address, and an audience")
        return read


class Provider:
    """Verifies the tokens of one issuer."""

    def __init__(self, settings: ProviderSettings, keys: PublishedKeys) -> None:
        self.issuer = settings.issuer
        self._settings = settings
        self._keys = keys

    async def verify(self, token: str, now: datetime) -> User:
        """The caller, with the roles that its groups give. Raises Unauthenticated, and Unavailable
        where the provider's keys are not known and it cannot be asked."""
        import jwt

        try:
            kid = jwt.get_unverified_header(token).get("kid")
            if not isinstance(kid, str) or len(token) > LONGEST_TOKEN:
                raise ValueError("names no key")
            published = await self._keys.find(kid)
            claims = jwt.decode(
                token,
                published.key,
                algorithms=list(published.algorithms),
                audience=self._settings.audience,
                issuer=self._settings.issuer,
                options={
                    "require": ["exp", "iat", "aud", "iss"],
                    # Held against `now`, below.
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                },
            )
            return self._user(claims, now)
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError):
            raise Unauthenticated("The token is not valid.") from None

    def _user(self, claims: Mapping[str, Any], now: datetime) -> User:
        _check_times(claims, now)
        settings = self._settings
        if settings.subject_claim == "email" and claims.get("email_verified") is not True:
            raise ValueError("anybody's address")
        given = claims.get(settings.groups_claim, ())
        named = cast("list[object]", given) if isinstance(given, list) else [given]
        listed = [each for each in named if isinstance(each, str)]
        groups = [settings.groups[each] for each in listed if each in settings.groups]
        return User(
            subject_of(claims.get(settings.subject_claim)),
            greatest(*(roles_of(group.projects) for group in groups)),
            any(group.administers for group in groups),
            "provider",
        )


def _check_times(claims: Mapping[str, Any], now: datetime) -> None:
    moment, leeway = now.timestamp(), LEEWAY.total_seconds()
    if int(claims["exp"]) + leeway <= moment:
        raise Unauthenticated("The token has expired; sign in again.")
    if max(int(claims["iat"]), int(claims.get("nbf", 0))) > moment + leeway:
        raise ValueError("not yet")
