"""A small OpenID Connect provider: discovery, published keys that rotate, signed tokens."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

AUDIENCE = "eventrain-console"


class IdentityProvider:
    """Publishes what `published` names. `away` makes it answer 503."""

    def __init__(self) -> None:
        self.issuer = ""
        self.away = False
        self.asked: list[str] = []
        self.published: list[str] = []
        self.extra_keys: list[dict[str, Any]] = []
        self._keys: dict[str, rsa.RSAPrivateKey] = {}

    def rotate(self, kid: str, *, keep: bool = True) -> None:
        """A new key; the ones before are still published, or retired."""
        self._keys[kid] = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.published = [*(self.published if keep else []), kid]

    def token(self, kid: str, subject: str = "grace", **claims: Any) -> str:
        now = int(time.time())
        body = {"iss": self.issuer, "aud": AUDIENCE, "sub": subject, "iat": now, "exp": now + 600}
        body = {name: value for name, value in (body | claims).items() if value is not None}
        return jwt.encode(body, self._keys[kid], algorithm="RS256", headers={"kid": kid})

    def public_pem(self, kid: str) -> bytes:
        from cryptography.hazmat.primitives import serialization

        return (
            self._keys[kid]
            .public_key()
            .public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )

    def answer(self, path: str) -> Any:
        if path == "/.well-known/openid-configuration":
            return {"issuer": self.issuer, "jwks_uri": f"{self.issuer}/keys"}
        return {"keys": [*map(self._public, self.published), *self.extra_keys]}

    def _public(self, kid: str) -> dict[str, Any]:
        key = json.loads(RSAAlgorithm.to_jwk(self._keys[kid].public_key()))
        return key | {"kid": kid, "use": "sig", "alg": "RS256"}


@contextmanager
def identity_provider() -> Iterator[IdentityProvider]:
    made = IdentityProvider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.asked.append(self.path)
            body = b"" if made.away else json.dumps(made.answer(self.path)).encode()
            self.send_response(503 if made.away else 200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.issuer = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    made.rotate("first")
    yield made
    server.shutdown()
    server.server_close()
    thread.join()
