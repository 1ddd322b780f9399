"""`python -m infra.deploy.token <tier> <user> <project>`: a user's token, signed with the tier's own key.

For the first user of a new cluster. Reads the key ring that `infra.deploy.secret` made; who can read
that file can be anyone, so it is kept where the other secrets are.
"""

import argparse
import base64
import json
import sys
import time
from pathlib import Path
from typing import Any

import jwt

from infra.deploy.secret import OVERLAYS, TIERS

DAYS = 30


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m infra.deploy.token")
    parser.add_argument("tier", choices=TIERS)
    parser.add_argument("user")
    parser.add_argument("project", help="the project's id, a UUID")
    parser.add_argument("--role", choices=("viewer", "member", "admin"), default="member")
    parser.add_argument("--administers", action="store_true", help="the whole installation too")
    parser.add_argument("--days", type=int, default=DAYS)
    given = parser.parse_args(arguments)
    file = OVERLAYS / given.tier / "secrets" / "user-token-keys.env"
    if not file.exists():
        sys.exit(f"{file} is not there: python -m infra.deploy.secret {given.tier} makes it.")
    claims = claims_of(given.user, given.project, given.role, now=int(time.time()), days=given.days)
    if given.administers:
        claims["administers"] = True
    sys.stdout.write(f"{sign(file, claims)}\n")


def claims_of(user: str, project: str, role: str, *, now: int, days: int = DAYS) -> dict[str, Any]:
    """What functions ask of a user's token."""
    return {
        "iss": "eventrain",
        "aud": "eventrain-api",
        "sub": user,
        "projects": {project: role},
        "iat": now,
        "exp": now + days * 86400,
    }


def sign(file: Path, claims: dict[str, Any]) -> str:
    """The token, signed with the signing key of the ring in this file."""
    ring = json.loads(file.read_text(encoding="utf-8").partition("=")[2])
    kid = ring["signing"]
    secret = base64.b64decode(ring["keys"][kid]["secret"])
    return jwt.encode(claims, secret, algorithm="HS256", headers={"kid": kid})


if __name__ == "__main__":
    main(sys.argv[1:])
