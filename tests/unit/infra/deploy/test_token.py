"""The first user's token."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from common.tokens import user_token
from common.tokens.keyring import KeyRing
from infra.deploy import secret, token

PROJECT = "0b7b9a52-95a8-4c0e-8f0a-58a0b3c6d7e8"
NOW = datetime(2026, 1, 2, tzinfo=UTC)


def test_a_token_is_one_that_functions_accept(tmp_path: Path) -> None:
    file = tmp_path / "user-token-keys.env"
    file.write_text(f"keys.json={secret.key_ring()}\n")
    made = token.sign(file, token.claims_of("me", PROJECT, "admin", now=int(NOW.timestamp())))
    ring = KeyRing.parse(file.read_text().partition("=")[2])
    user = user_token.UserTokens(ring).verify(made, NOW + timedelta(days=29))
    assert user.subject == "me"
    assert user.may(PROJECT, "admin")
