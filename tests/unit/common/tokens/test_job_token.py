import base64
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import Unauthenticated
from common.tokens import job_token
from common.tokens.job_token import JobTokens
from common.tokens.keyring import Key, KeyRing

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
JOB = "5b0f3b43-8c26-4b2d-9f0c-9d2a6f1d1c11"
KEY = Key("k1", b"s" * 32)
RING = KeyRing(KEY, {"k1": KEY})
CLAIMS = {
    "iss": "eventrain",
    "aud": "eventrain-callback",
    "scope": "training-callback",
    "sub": JOB,
    "attempt": 2,
    "iat": int(NOW.timestamp()),
    "exp": int(NOW.timestamp()) + 6 * 3600,
    "jti": "x",
}


def made_elsewhere(
    changed: dict[str, Any] | None = None, *, key: bytes = KEY.secret, **options: Any
) -> str:
    claims = {name: value for name, value in (CLAIMS | (changed or {})).items() if value != "-"}
    return jwt.encode(claims, key, **{"headers": {"kid": "k1"}, "algorithm": "HS256", **options})


def issue(now: datetime = NOW) -> str:
    return job_token.issue(RING, JOB, 2, now)


class TestIssue:
    def test_makes_what_any_jwt_library_reads(self) -> None:
        read = jwt.decode(
            issue(),
            KEY.secret,
            algorithms=["HS256"],
            audience="eventrain-callback",
            options={"verify_exp": False},
        )
        assert read == CLAIMS | {"jti": read["jti"]}
        assert jwt.get_unverified_header(issue())["kid"] == "k1"

    def test_makes_the_same_token_for_the_same_claims(self) -> None:
        assert issue() == issue()
        assert issue() != issue(NOW + timedelta(seconds=1))


class TestVerify:
    def test_tells_whose_token_it_is(self) -> None:
        claims = JobTokens(RING).verify(issue(), NOW)
        assert (claims.job_id, claims.attempt, claims.kid) == (JOB, 2, "k1")
        assert claims.expires_at - claims.issued_at == timedelta(hours=6)

    def test_reads_what_another_library_made(self) -> None:
        assert JobTokens(RING).verify(made_elsewhere(), NOW).attempt == 2

    @pytest.mark.parametrize("claim", list(CLAIMS))
    def test_refuses_a_token_that_lacks_a_claim(self, claim: str) -> None:
        refused(made_elsewhere({claim: "-"}))

    @pytest.mark.parametrize(
        "changed",
        [
            {"aud": "eventrain-api"},
            {"aud": ["eventrain-callback"]},
            {"iss": "mallory"},
            {"scope": "all"},
            {"sub": "not-a-uuid"},
            {"attempt": 0},
            {"attempt": "2"},
            {"exp": int(NOW.timestamp())},
            {"exp": 10**18},
            {"exp": 1e400},
            {"iat": int(NOW.timestamp()) + 3600, "exp": int(NOW.timestamp()) + 7200},
        ],
    )
    def test_refuses_claims_that_are_not_ours(self, changed: dict[str, Any]) -> None:
        refused(made_elsewhere(changed))

    @pytest.mark.parametrize("algorithm", ["none", "HS384", "HS512"])
    def test_refuses_another_algorithm(self, algorithm: str) -> None:
        key = None if algorithm == "none" else b"s" * 64
        refused(jwt.encode(CLAIMS, key, algorithm=algorithm, headers={"kid": "k1"}))

    def test_refuses_no_algorithm_with_a_good_signature(self) -> None:
        head = base64.urlsafe_b64encode(b'{"alg":"none","kid":"k1"}').rstrip(b"=")
        body = base64.urlsafe_b64encode(json.dumps(CLAIMS).encode()).rstrip(b"=")
        mac = hmac.digest(KEY.secret, head + b"." + body, "sha256")
        signature = base64.urlsafe_b64encode(mac).rstrip(b"=")
        refused((head + b"." + body + b"." + signature).decode())

    def test_refuses_a_key_it_does_not_know(self) -> None:
        refused(made_elsewhere(headers={"kid": "k9"}))
        refused(made_elsewhere(headers={}))
        refused(made_elsewhere(key=b"t" * 32))

    @pytest.mark.parametrize("token", ["", ".", "..", "...", "a.b", "a.b.c", "é.é.é", "a" * 9999])
    def test_refuses_what_is_no_token(self, token: str) -> None:
        refused(token)

    @given(st.data())
    def test_refuses_any_token_with_one_character_changed(self, data: st.DataObject) -> None:
        token = issue()
        at = data.draw(st.integers(0, len(token) - 1))
        other = data.draw(st.sampled_from([c for c in "Aa0-_.=" if c != token[at]]))
        refused(token[:at] + other + token[at + 1 :])

    @given(st.text())
    def test_never_raises_anything_else(self, token: str) -> None:
        refused(token)


class TestTheCache:
    def test_checks_the_expiry_of_a_known_token_each_time(self) -> None:
        tokens = JobTokens(RING)
        token = issue()
        tokens.verify(token, NOW + timedelta(hours=5, minutes=59))
        with pytest.raises(Unauthenticated):
            tokens.verify(token, NOW + timedelta(hours=6))

    def test_checks_the_retirement_of_a_known_tokens_key_each_time(self) -> None:
        retired = Key("k1", KEY.secret, verifies_until=NOW + timedelta(hours=1))
        tokens = JobTokens(KeyRing(KEY, {"k1": retired}))
        token = issue()
        tokens.verify(token, NOW)
        with pytest.raises(Unauthenticated):
            tokens.verify(token, NOW + timedelta(hours=1))

    def test_stays_within_its_bound(self) -> None:
        tokens = JobTokens(RING, cache_size=3)
        issued = [issue(NOW - timedelta(seconds=n)) for n in range(10)]
        for _ in range(2):
            assert {tokens.verify(token, NOW).attempt for token in issued} == {2}
        assert tokens.remembered == 3


class TestPastHalf:
    @pytest.mark.parametrize(("hours", "past"), [(0, False), (3, False), (3.1, True), (5, True)])
    def test_is_after_three_of_six_hours(self, hours: float, past: bool) -> None:
        claims = JobTokens(RING).verify(issue(), NOW)
        assert job_token.past_half(claims, NOW + timedelta(hours=hours)) is past


def refused(token: str) -> None:
    with pytest.raises(Unauthenticated):
        JobTokens(RING).verify(token, NOW)
