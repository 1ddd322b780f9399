"""How a receiver knows that a delivery is ours, as Standard Webhooks spells it.

`webhook-signature` holds `v1,<base64>` once for each secret that is in force, separated by blanks:
the HMAC-SHA256 of `<webhook-id>.<webhook-timestamp>.<body>`.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime

PREFIX = "whsec_"
BYTES = 32


def make_secret() -> str:
    """A fresh one, as receivers write it into their configuration."""
    return PREFIX + base64.b64encode(secrets.token_bytes(BYTES)).decode()


def headers(
    delivery_id: str, body: bytes, secrets_in_force: Sequence[str], *, now: datetime
) -> dict[str, str]:
    """The id that stays over all tries, the second of this one, and a signature a secret; without
    a secret there is none."""
    second = str(int(now.timestamp()))
    told = f"{delivery_id}.{second}.".encode() + body
    signatures = " ".join(f"v1,{_sign(each, told)}" for each in secrets_in_force)
    made = {"webhook-id": delivery_id, "webhook-timestamp": second}
    return made | ({"webhook-signature": signatures} if signatures else {})


def _sign(secret: str, told: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(PREFIX))
    return base64.b64encode(hmac.new(key, told, hashlib.sha256).digest()).decode()
