"""Key rings and tokens for tests."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import jwt

from common.tokens import job_token
from common.tokens.keyring import KeyRing

SECRET = b"a secret of thirty-two bytes....."
OTHER_SECRET = b"another secret, just as long ....."


def ring_json(*, retired_at: datetime | None = None) -> str:
    """Signs with k2; k1 still verifies unless it was retired too long ago."""

    def key(secret: bytes, at: datetime | None) -> dict[str, Any]:
        encoded = base64.b64encode(secret).decode()
        return {"secret": encoded, "retired_at": at.isoformat() if at else None}

    keys = {"k1": key(OTHER_SECRET, retired_at), "k2": key(SECRET, None)}
    return json.dumps({"signing": "k2", "keys": keys})


def job_token_for(job_id: UUID, attempt: int, now: datetime, **options: Any) -> str:
    """A token as launch-job makes it."""
    return job_token.issue(KeyRing.parse(ring_json()), str(job_id), attempt, now, **options)


def forged(
    job_id: UUID,
    now: datetime,
    *,
    secret: bytes | None = SECRET,
    algorithm: str = "HS256",
    kid: str | None = "k2",
    **claims: Any,
) -> str:
    """A token with anything wrong about it."""
    body: dict[str, Any] = {
        "iss": "eventrain",
        "aud": "eventrain-callback",
        "scope": "training-callback",
        "sub": str(job_id),
        "attempt": 1,
        "iat": int(now.timestamp()),
        "exp": int((now + timedelta(hours=6)).timestamp()),
        "jti": "any",
    } | claims
    body = {name: value for name, value in body.items() if value is not None}
    headers = {"kid": kid} if kid else None
    return jwt.encode(body, secret or "", algorithm=algorithm, headers=headers)


def now_utc() -> datetime:
    return datetime.now(UTC)
