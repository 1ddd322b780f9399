import json
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from common.tokens.keyring import KeyRing

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
SECRET = b64encode(b"s" * 32).decode()


def ring(**keys: Any) -> str:
    return json.dumps({"signing": "k2", "keys": {"k2": {"secret": SECRET}, **keys}})


class TestAKeyRing:
    def test_signs_with_the_key_it_names(self) -> None:
        assert KeyRing.parse(ring()).signing.secret == b"s" * 32

    @pytest.mark.parametrize(
        ("hours", "found"), [(0, True), (11.9, True), (12, False), (1000, False)]
    )
    def test_verifies_with_a_retired_key_for_twelve_hours(self, hours: float, found: bool) -> None:
        keys = KeyRing.parse(ring(k1={"secret": SECRET, "retired_at": NOW.isoformat()}))
        assert bool(keys.find("k1", NOW + timedelta(hours=hours))) is found

    def test_knows_no_other_key(self) -> None:
        assert KeyRing.parse(ring()).find("k9", NOW) is None

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("", "must be JSON"),
            ("[]", "must be JSON"),
            ('{"signing": "k1", "keys": {}}', "does not hold"),
            (ring(k2={"secret": SECRET, "retired_at": "2026-01-01T00:00:00Z"}), "retired"),
            (ring(k1={"secret": "!"}), "not base64"),
            (ring(k1={"secret": b64encode(b"short").decode()}), "fewer than 32"),
            (ring(k1={"secret": SECRET, "retired_at": "2026-01-01T00:00:00"}), "no time zone"),
        ],
    )
    def test_is_refused_with_a_reason_and_without_a_secret(self, text: str, reason: str) -> None:
        with pytest.raises(ValueError, match=reason) as refused:
            KeyRing.parse(text)
        assert SECRET not in str(refused.value)

    def test_does_not_print_its_secrets(self) -> None:
        assert "ssss" not in repr(KeyRing.parse(ring()))
