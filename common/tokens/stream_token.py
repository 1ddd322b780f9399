"""What a page shows to open a stream: a browser's EventSource sends no headers, and a user's own
token has no place in an address. This one lives for minutes and opens nothing but streams."""

from datetime import datetime, timedelta

from common.tokens import signature
from common.tokens.keyring import KeyRing
from common.tokens.user_token import ISSUER, User

AUDIENCE = "eventrain-live"
LIFETIME = timedelta(minutes=10)


def issue(ring: KeyRing, user: User, now: datetime, until: datetime | None) -> tuple[str, datetime]:
    """The token and its end, which is not after `until`, the end of what the user showed. It may
    see what the user may."""
    expires = min(now + LIFETIME, until or now + LIFETIME).replace(microsecond=0)
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": user.subject,
        "projects": dict.fromkeys(user.projects, "viewer"),
        "administers": user.administers,
        "iat": int(now.timestamp()),
        "exp": int(expires.timestamp()),
    }
    return signature.sign(claims, ring.signing), expires
