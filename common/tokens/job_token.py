"""What a trainer shows: bound to one job and one attempt, for six hours."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec

from common.errors import Unauthenticated
from common.tokens import signature
from common.tokens.keyring import Key, KeyRing, KeySource

ISSUER = "eventrain"
AUDIENCE = "eventrain-callback"
SCOPE = "training-callback"
LIFETIME = timedelta(hours=6)
CLOCK_SKEW = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class JobClaims:
    """Who speaks. Job and attempt are taken from here, whatever a body says."""

    job: UUID
    job_id: str
    attempt: int
    issued_at: datetime
    half_life: datetime
    expires_at: datetime
    kid: str


class _Claims(msgspec.Struct):
    iss: str
    aud: str
    scope: str
    sub: UUID
    attempt: int
    iat: int
    exp: int
    jti: str


def issue(
    ring: KeyRing,
    job_id: str,
    attempt: int,
    now: datetime,
    lifetime: timedelta = LIFETIME,
    jti: str | None = None,
) -> str:
    """A token for this attempt. The same arguments give the same token, so that a repeated
    launch makes the same Secret."""
    issued = int(now.timestamp())
    claims = _Claims(
        iss=ISSUER,
        aud=AUDIENCE,
        scope=SCOPE,
        sub=UUID(job_id),
        attempt=attempt,
        iat=issued,
        exp=issued + int(lifetime.total_seconds()),
        jti=jti or f"{job_id}.{attempt}.{issued}",
    )
    return signature.sign(claims, ring.signing)


def past_half(claims: JobClaims, now: datetime) -> bool:
    """Whether it is time for a fresh token."""
    return now > claims.half_life


class JobTokens:
    """Verifies job tokens and remembers those it has seen; time limits are checked each time."""

    def __init__(self, keys: KeySource, cache_size: int = 10_000) -> None:
        self._keys = keys
        self._cache_size = cache_size
        self._seen: dict[str, tuple[JobClaims, Key]] = {}

    def verify(self, token: str, now: datetime) -> JobClaims:
        """Raises Unauthenticated."""
        known = self._seen.get(token)
        if known is None:
            known = _read(token, self._keys, now)
            self._remember(token, known)
        claims, key = known
        if now >= claims.expires_at or not key.verifies_at(now):
            self._seen.pop(token, None)
            raise Unauthenticated("The job token has expired.")
        return claims

    @property
    def remembered(self) -> int:
        """How many tokens it knows by heart."""
        return len(self._seen)

    def _remember(self, token: str, known: tuple[JobClaims, Key]) -> None:
        while self._seen and len(self._seen) >= self._cache_size:
            del self._seen[next(iter(self._seen))]
        self._seen[token] = known


def _read(token: str, keys: KeySource, now: datetime) -> tuple[JobClaims, Key]:
    try:
        payload, key = signature.open_token(token, keys, now)
        claims = _claims(msgspec.json.decode(payload, type=_Claims), key, now)
    except (ValueError, OverflowError, OSError, msgspec.MsgspecError):
        raise Unauthenticated("The job token is not valid.") from None
    return claims, key


def _claims(read: _Claims, key: Key, now: datetime) -> JobClaims:
    if (read.iss, read.aud, read.scope) != (ISSUER, AUDIENCE, SCOPE) or read.attempt < 1:
        raise ValueError("not for a callback")
    issued_at = datetime.fromtimestamp(read.iat, UTC)
    expires_at = datetime.fromtimestamp(read.exp, UTC)
    if issued_at > now + CLOCK_SKEW or expires_at <= issued_at:
        raise ValueError("not of this time")
    half_life = issued_at + (expires_at - issued_at) / 2
    return JobClaims(
        read.sub, str(read.sub), read.attempt, issued_at, half_life, expires_at, key.kid
    )
