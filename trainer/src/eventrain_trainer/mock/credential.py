"""Job tokens as the control plane makes them: bound to one job and one attempt, for a while."""

import base64
import binascii
import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass
from typing import Any

FIXED = {"iss": "eventrain", "aud": "eventrain-callback", "scope": "training-callback"}
LIFETIME = 6 * 3600.0
CLOCK_SKEW = 60


class Unauthenticated(Exception):
    """Nobody vouches for the caller."""


@dataclass(frozen=True, slots=True)
class Claims:
    attempt: int
    issued: float
    expires: float

    def past_half(self, now: float) -> bool:
        return now > self.issued + (self.expires - self.issued) / 2


@dataclass(frozen=True, slots=True)
class Key:
    """What signs; `kid` is its name in a token's head."""

    secret: bytes
    kid: str = "mock"

    @classmethod
    def make(cls) -> "Key":
        return cls(secrets.token_bytes(32))

    def issue(self, job_id: str, attempt: int, now: float, lifetime: float = LIFETIME) -> str:
        claims = {
            **FIXED,
            "sub": job_id,
            "attempt": attempt,
            "iat": round(now, 3),
            "exp": round(now + lifetime, 3),
            "jti": secrets.token_hex(8),
        }
        signed = f"{_encode({'alg': 'HS256', 'typ': 'JWT', 'kid': self.kid})}.{_encode(claims)}"
        return f"{signed}.{self._sign(signed)}"

    def read(self, token: str, job_id: str, now: float) -> Claims:
        """Raises Unauthenticated."""
        signed, _, signature = token.rpartition(".")
        try:
            head, claims = (_decode(part) for part in signed.split("."))
            known = head["alg"] == "HS256" and head["kid"] == self.kid
            if not known or not hmac.compare_digest(signature, self._sign(signed)):
                raise ValueError("signed by somebody else")
            return _claims(claims, job_id, now)
        except (ValueError, KeyError, TypeError, binascii.Error) as error:
            raise Unauthenticated("The job token is not valid.") from error

    def _sign(self, text: str) -> str:
        return _text(hmac.digest(self.secret, text.encode(), hashlib.sha256))


def _claims(given: dict[str, Any], job_id: str, now: float) -> Claims:
    if any(given[name] != value for name, value in FIXED.items()) or given["sub"] != job_id:
        raise ValueError("for something else")
    found = Claims(int(given["attempt"]), float(given["iat"]), float(given["exp"]))
    if found.attempt < 1 or not found.issued - CLOCK_SKEW <= now < found.expires:
        raise ValueError("not of this time")
    return found


def _encode(part: dict[str, Any]) -> str:
    return _text(json.dumps(part, separators=(",", ":")).encode())


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _decode(part: str) -> dict[str, Any]:
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
