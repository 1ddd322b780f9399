"""What an identity provider publishes: OpenID Connect's discovery, and the keys that it names.

A key is believed while the provider publishes it. Its list is read again when it is older than
`KEYS_LAST`, or when a token names a key that is not on it, though never within `FLOOR` of the last
try. While the provider cannot be reached, the keys that are known stay good.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import msgspec

from common.errors import Unauthenticated, Unavailable

Fetch = Callable[[str], Awaitable[bytes]]

DISCOVERY = "/.well-known/openid-configuration"
KEYS_LAST = 300.0
FLOOR = 10.0
PATIENCE = 3.0
MOST_BYTES = 1 << 20
RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
# Which algorithms a kind of key may verify. There is no `none`, and nothing symmetric: a published
# key is no secret.
ALGORITHMS: Mapping[tuple[str, str | None], tuple[str, ...]] = {
    ("RSA", None): RSA,
    ("EC", "P-256"): ("ES256",),
    ("EC", "P-384"): ("ES384",),
    ("EC", "P-521"): ("ES512",),
    ("OKP", "Ed25519"): ("EdDSA",),
}

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Published:
    """A key, and what it may verify."""

    key: Any
    algorithms: tuple[str, ...]


@dataclass
class PublishedKeys:
    """The keys of one issuer, by name."""

    issuer: str
    fetch: Fetch
    clock: Callable[[], float] = time.monotonic
    _keys: Mapping[str, Published] = field(default_factory=dict[str, Published])
    _read_at: float = float("-inf")
    _tried_at: float = float("-inf")
    _fetching: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def find(self, kid: str) -> Published:
        """Raises Unauthenticated for a key that is not published, and Unavailable where no key is
        known and nobody can be asked."""
        known = self._keys.get(kid)
        # Who knows the key does not wait for somebody else's question.
        if known is None or (self._is_old() and not self._fetching.locked()):
            await self._refresh(kid)
            known = self._keys.get(kid)
        if known is not None:
            return known
        if not self._keys:
            raise Unavailable("The identity provider cannot be reached.", retry_after=int(FLOOR))
        raise Unauthenticated("The identity provider publishes no such key; sign in again.")

    def _is_old(self) -> bool:
        return self.clock() - self._read_at >= KEYS_LAST

    async def _refresh(self, kid: str) -> None:
        async with self._fetching:
            if kid in self._keys and not self._is_old():
                return
            if self.clock() - self._tried_at < FLOOR:
                return
            self._tried_at = self.clock()
            try:
                async with asyncio.timeout(PATIENCE):
                    self._keys = await self._read()
            except Exception as wrong:  # noqa: BLE001 - whatever a stranger's server does
                _log.warning("%s: no keys: %r", self.issuer, wrong)
            else:
                self._read_at = self.clock()

    async def _read(self) -> Mapping[str, Published]:
        about = await self.fetch(self.issuer.rstrip("/") + DISCOVERY)
        said = msgspec.json.decode(about, type=_Discovered)
        if said.issuer != self.issuer:
            raise ValueError(f"it calls itself {said.issuer}")
        if urlsplit(self.issuer).scheme == "https" and urlsplit(said.jwks_uri).scheme != "https":
            raise ValueError("its keys are not at an https address")
        listed = msgspec.json.decode(await self.fetch(said.jwks_uri), type=_KeySet).keys
        found = {str(each["kid"]): _published(each) for each in listed if each.get("kid")}
        usable = {kid: key for kid, key in found.items() if key is not None}
        if not usable:
            raise ValueError("it publishes no key that can be used")
        return usable


async def fetch(url: str) -> bytes:
    """The body at this address. Raises whatever the client raises, and ValueError where it is too
    long."""
    import httpx

    async with httpx.AsyncClient(timeout=PATIENCE, follow_redirects=False) as client:
        answer = (await client.get(url)).raise_for_status()
    if len(answer.content) > MOST_BYTES:
        raise ValueError("too long an answer")
    return answer.content


class _Discovered(msgspec.Struct):
    issuer: str
    jwks_uri: str


class _KeySet(msgspec.Struct):
    keys: list[dict[str, Any]]


def _published(entry: dict[str, Any]) -> Published | None:
    """None for what is not for verifying signatures."""
    import jwt

    curve = entry.get("crv") if entry.get("kty") != "RSA" else None
    algorithms = ALGORITHMS.get((str(entry.get("kty")), curve), ())
    if "alg" in entry:
        algorithms = tuple(each for each in algorithms if each == entry["alg"])
    if not algorithms or entry.get("use", "sig") != "sig":
        return None
    try:
        return Published(jwt.PyJWK.from_dict(entry, algorithms[0]).key, algorithms)
    except jwt.PyJWTError:
        return None
