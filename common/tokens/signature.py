"""HS256 in JWS compact form, and nothing else of JOSE.

Every function verifies tokens of ours with this: importing PyJWT brings in `cryptography`, which costs more
than the rest of their start. Tests hold it against PyJWT in both directions.
"""

import base64
import binascii
import hmac
from datetime import datetime
from typing import TypeVar

import msgspec

from common.tokens.keyring import Key, KeySource

T = TypeVar("T")

LONGEST_TOKEN = 4096


class _Header(msgspec.Struct, forbid_unknown_fields=True):
    alg: str
    kid: str
    typ: str = "JWT"


def sign(claims: object, key: Key) -> str:
    """The token for these claims; the same claims and key give the same token."""
    header = msgspec.json.encode({"alg": "HS256", "kid": key.kid, "typ": "JWT"})
    signed = _base64(header) + b"." + _base64(msgspec.json.encode(claims))
    return (signed + b"." + _base64(_mac(signed, key))).decode()


def open_token(
    token: str, keys: KeySource, now: datetime, longest: int = LONGEST_TOKEN
) -> tuple[bytes, Key]:
    """The claims' bytes and the key that signed them. Raises ValueError for anything that is not
    exactly a token of ours: another algorithm, an unknown or retired key, a wrong signature."""
    if len(token) > longest or not token.isascii():
        raise ValueError("not a token")
    signed, _, signature = token.encode().rpartition(b".")
    head, dot, claims = signed.partition(b".")
    if not dot or b"." in claims:
        raise ValueError("not a token")
    key = _key_of(head, keys, now)
    if not hmac.compare_digest(_bytes(signature), _mac(signed, key)):
        raise ValueError("the signature is not ours")
    return _bytes(claims), key


def read_unverified(token: str, kind: type[T]) -> T:
    """The claims of a token that was verified elsewhere. Raises ValueError."""
    _, _, rest = token.encode().partition(b".")
    return msgspec.json.decode(_bytes(rest.partition(b".")[0]), type=kind)


def _key_of(head: bytes, keys: KeySource, now: datetime) -> Key:
    header = msgspec.json.decode(_bytes(head), type=_Header)
    key = keys.find(header.kid, now)
    if header.alg != "HS256" or key is None or key.algorithm != "HS256":
        raise ValueError("not signed by a key of ours")
    return key


def _mac(signed: bytes, key: Key) -> bytes:
    return hmac.digest(key.secret, signed, "sha256")


def _base64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def _bytes(text: bytes) -> bytes:
    """Decodes base64url, in its one canonical spelling."""
    try:
        data = base64.b64decode(text + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        raise ValueError("not base64url") from None
    if _base64(data) != text:
        raise ValueError("not canonical base64url")
    return data
