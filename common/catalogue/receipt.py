"""A signed account of what a model was made of, which anyone can check with the public key.

It is one JSON object, `{"payload": ..., "signature": {"algorithm", "kid", "value"}}`. What is signed
is the payload's canonical form: keys sorted, no space between, UTF-8.
"""

import base64
import hashlib
import json
from typing import TYPE_CHECKING, Any

from common.storage.address import sanitise
from common.tokens.keyring import Key, KeyRing

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

FORMAT = "eventrain/receipt/v1"
ALGORITHM = "Ed25519"


def canonical(value: Any) -> bytes:
    """The one way to write it down."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


def sign(payload: dict[str, Any], ring: KeyRing) -> bytes:
    """The receipt, as it is stored."""
    key = ring.signing
    value = _encode(_private(key).sign(canonical(payload)))
    signature = {"algorithm": ALGORITHM, "kid": key.kid, "value": value}
    return canonical({"payload": payload, "signature": signature})


def public_keys(ring: KeyRing) -> list[dict[str, str]]:
    """Every key that ever signed and is still in the ring, as JSON Web Keys."""
    return [
        {"kty": "OKP", "crv": ALGORITHM, "use": "sig", "kid": kid, "x": _encode(_public(key))}
        for kid, key in sorted(ring.keys.items())
    ]


def prefix(name: str, version: str) -> str:
    """Where the receipts of a model's address lie, apart from its files."""
    return f"receipts/{sanitise(name)}/{sanitise(version)}/"


def key_of(name: str, version: str, sha256: str) -> str:
    """A receipt is named by what it says: none is ever written over."""
    return f"{prefix(name, version)}{sha256}.json"


def digest_of_files(files: list[dict[str, Any]]) -> str:
    """One digest for names, sizes and digests of files."""
    return hashlib.sha256(canonical(files)).hexdigest()


def _private(key: Key) -> "Ed25519PrivateKey":
    # Half of what it costs to sign: only who signs or publishes keys pays for it.
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(key.secret).digest())


def _public(key: Key) -> bytes:
    return _private(key).public_key().public_bytes_raw()


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
