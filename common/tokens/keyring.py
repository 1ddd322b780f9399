"""Keys by name: one signs, several verify, and a retired one verifies a while longer."""

import base64
import binascii
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

import msgspec

# A token lives 6 hours, and status-sync may still hand out one signed at the last moment.
VERIFIES_AFTER_RETIREMENT = timedelta(hours=12)
SHORTEST_SECRET = 32


@dataclass(frozen=True, slots=True)
class Key:
    """One key. `verifies_until` is None while it is not retired."""

    kid: str
    secret: bytes = field(repr=False)
    verifies_until: datetime | None = None
    algorithm: str = "HS256"

    def verifies_at(self, now: datetime) -> bool:
        return self.verifies_until is None or now < self.verifies_until


class KeySource(Protocol):
    """Where verifiers find keys: a ring of ours, or an identity provider's published set."""

    def find(self, kid: str, now: datetime) -> Key | None:
        """The key of this name, if it may still verify."""
        ...


@dataclass(frozen=True, slots=True)
class KeyRing:
    """Keys that we made ourselves."""

    signing: Key
    keys: dict[str, Key] = field(repr=False)

    @classmethod
    def parse(cls, text: str | bytes) -> "KeyRing":
        """Raises ValueError, which never quotes a secret."""
        try:
            ring = msgspec.json.decode(text, type=_Ring)
        except (msgspec.MsgspecError, UnicodeError):
            raise ValueError('must be JSON like {"signing": kid, "keys": {kid: {...}}}') from None
        keys = {kid: _key(kid, entry) for kid, entry in ring.keys.items()}
        signing = keys.get(ring.signing)
        if signing is None:
            raise ValueError(f"names {ring.signing!r} as signing key, which it does not hold")
        if signing.verifies_until is not None:
            raise ValueError(f"names {ring.signing!r} as signing key, which is retired")
        return cls(signing, keys)

    def find(self, kid: str, now: datetime) -> Key | None:
        key = self.keys.get(kid)
        return key if key and key.verifies_at(now) else None


class _Entry(msgspec.Struct):
    secret: str
    retired_at: datetime | None = None


class _Ring(msgspec.Struct):
    signing: str
    keys: dict[str, _Entry]


def _key(kid: str, entry: _Entry) -> Key:
    try:
        secret = base64.b64decode(entry.secret, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"holds a key {kid!r} whose secret is not base64") from None
    if len(secret) < SHORTEST_SECRET:
        raise ValueError(f"holds a key {kid!r} of fewer than {SHORTEST_SECRET} bytes")
    if entry.retired_at is None:
        return Key(kid, secret)
    if entry.retired_at.tzinfo is None:
        raise ValueError(f"holds a key {kid!r} whose retired_at has no time zone")
    return Key(kid, secret, entry.retired_at + VERIFIES_AFTER_RETIREMENT)
