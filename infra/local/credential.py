"""The secrets of one home, made at its first start and kept; and the token of its user."""

import base64
import getpass
import json
import secrets
import time
import uuid
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

import jwt

from infra.local.home import write_private

TOKEN_DAYS = 30


@dataclass(frozen=True)
class Credentials:
    project_id: str
    postgres_admin_password: str = field(repr=False)
    postgres_password: str = field(repr=False)
    s3_access_key_id: str
    s3_secret_access_key: str = field(repr=False)
    cluster_token: str = field(repr=False)
    job_token_keys: str = field(repr=False)
    user_token_keys: str = field(repr=False)
    receipt_keys: str = field(repr=False)


def load_or_make(file: Path) -> Credentials:
    """What an earlier version did not have yet is made and added."""
    kept = json.loads(file.read_text()) if file.exists() else {}
    made = Credentials(**(asdict(_make()) | kept))
    if asdict(made) != kept:
        write_private(file, json.dumps(asdict(made), indent=2))
    return made


def user_token(credentials: Credentials) -> str:
    """A token for the one who runs the stack: admin of the one project, and of the installation."""
    ring = cast(dict[str, Any], json.loads(credentials.user_token_keys))
    kid = cast(str, ring["signing"])
    now = int(time.time())
    claims: dict[str, Any] = {
        "iss": "eventrain",
        "aud": "eventrain-api",
        "sub": _user_name(),
        "projects": {credentials.project_id: "admin"},
        "administers": True,
        "iat": now,
        "exp": now + TOKEN_DAYS * 86400,
    }
    secret = base64.b64decode(ring["keys"][kid]["secret"])
    return jwt.encode(claims, secret, algorithm="HS256", headers={"kid": kid})


def _make() -> Credentials:
    return Credentials(
        project_id=str(uuid.uuid4()),
        postgres_admin_password=secrets.token_urlsafe(24),
        postgres_password=secrets.token_urlsafe(24),
        s3_access_key_id=secrets.token_hex(10),
        s3_secret_access_key=secrets.token_hex(20),
        cluster_token=secrets.token_urlsafe(24),
        job_token_keys=_key_ring(),
        user_token_keys=_key_ring(),
        receipt_keys=_key_ring(),
    )


def _key_ring() -> str:
    secret = base64.b64encode(secrets.token_bytes(32)).decode()
    return json.dumps({"signing": "k1", "keys": {"k1": {"secret": secret, "retired_at": None}}})


def _user_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "local"
