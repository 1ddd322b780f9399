from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import Unauthenticated
from common.tokens import job_token, user_token
from common.tokens.keyring import Key, KeyRing
from common.tokens.user_token import Role, User, UserTokens

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
PROJECT = "5b0f3b43-8c26-4b2d-9f0c-9d2a6f1d1c11"
OTHER = "6b0f3b43-8c26-4b2d-9f0c-9d2a6f1d1c11"
KEY = Key("k1", b"s" * 32)
RING = KeyRing(KEY, {"k1": KEY})
CLAIMS = {
    "iss": "eventrain",
    "aud": "eventrain-api",
    "sub": "ada",
    "projects": {PROJECT: "member"},
    "iat": int(NOW.timestamp()),
    "exp": int(NOW.timestamp()) + 3600,
}


def made(changed: dict[str, Any], headers: dict[str, Any] | None = None) -> str:
    claims = {name: value for name, value in (CLAIMS | changed).items() if value != "-"}
    return jwt.encode(claims, KEY.secret, "HS256", {"kid": "k1"} if headers is None else headers)


class TestAUser:
    @pytest.mark.parametrize(
        ("held", "asked", "may"),
        [
            ("viewer", "viewer", True),
            ("viewer", "member", False),
            ("member", "viewer", True),
            ("member", "admin", False),
            ("admin", "member", True),
        ],
    )
    def test_may_what_the_role_holds_and_no_more(self, held: Role, asked: Role, may: bool) -> None:
        assert User("ada", {PROJECT: held}).may(PROJECT, asked) is may

    def test_may_nothing_in_another_project(self) -> None:
        assert not User("ada", {PROJECT: "admin"}).may(OTHER, "viewer")


class TestVerify:
    def test_tells_who_calls(self) -> None:
        token = user_token.issue(RING, "ada", {PROJECT: "member"}, NOW, timedelta(hours=1))
        assert UserTokens(RING).verify(token, NOW) == User("ada", {PROJECT: "member"})

    def test_refuses_a_token_at_its_expiry(self) -> None:
        verified = UserTokens(RING).verify(made({}), NOW + timedelta(seconds=3599))
        assert verified.subject == "ada"
        refused(made({}), NOW + timedelta(hours=1))

    @pytest.mark.parametrize("claim", list(CLAIMS))
    def test_refuses_a_token_that_lacks_a_claim(self, claim: str) -> None:
        refused(made({claim: "-"}))

    @pytest.mark.parametrize(
        "changed",
        [
            {"aud": "eventrain-callback"},
            {"aud": ["eventrain-api", "x"]},
            {"iss": "mallory"},
            {"sub": ""},
            {"sub": "a\0"},
            {"projects": []},
            {"projects": {PROJECT: "owner"}},
            {"projects": {PROJECT: ["admin"]}},
            {"projects": {"x": "admin"}},
            {"exp": "soon"},
            {"exp": None},
            {"exp": 1e400},
            {"iat": int(NOW.timestamp()) + 3600},
        ],
    )
    def test_refuses_claims_that_are_not_ours(self, changed: dict[str, Any]) -> None:
        refused(made(changed))

    @pytest.mark.parametrize("headers", [{}, {"kid": "k9"}, {"kid": ""}])
    def test_refuses_a_key_it_does_not_know(self, headers: dict[str, Any]) -> None:
        refused(made({}, headers))

    @pytest.mark.parametrize("algorithm", ["none", "HS512"])
    def test_refuses_another_algorithm(self, algorithm: str) -> None:
        key = None if algorithm == "none" else b"s" * 64
        refused(jwt.encode(CLAIMS, key, algorithm, {"kid": "k1"}))

    def test_refuses_a_key_that_may_no_longer_verify(self) -> None:
        retired = KeyRing(KEY, {"k1": Key("k1", KEY.secret, verifies_until=NOW)})
        with pytest.raises(Unauthenticated):
            UserTokens(retired).verify(made({}), NOW)

    def test_refuses_a_job_token(self) -> None:
        refused(job_token.issue(RING, PROJECT, 1, NOW))

    @given(st.text())
    def test_never_raises_anything_else(self, token: str) -> None:
        refused(token)


def refused(token: str, now: datetime = NOW) -> None:
    with pytest.raises(Unauthenticated):
        UserTokens(RING).verify(token, now)
