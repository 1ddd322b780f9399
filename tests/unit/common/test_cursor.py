"""Cursors: ours come back, made-up ones are told apart from crashes."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from common import cursor
from common.cursor import Big, Instant, Small, Text
from common.errors import Invalid


class TestCursor:
    def test_comes_back_as_it_was_written(self) -> None:
        place = (datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=UTC), uuid4())
        assert cursor.read(cursor.write(*place), tuple[Instant, UUID]) == place

    def test_none_begins_at_the_beginning(self) -> None:
        assert cursor.read(None, tuple[Big]) is None

    @pytest.mark.parametrize(
        "text",
        [
            *("", "x", "ä", "=", "bnVsbA", "a" * 2000),
            *(cursor.write(2**40), cursor.write(-1), cursor.write("1"), cursor.write(1, 2)),
        ],
    )
    def test_one_that_we_did_not_write_is_invalid(self, text: str) -> None:
        with pytest.raises(Invalid) as wrong:
            cursor.read(text, tuple[Small])
        assert wrong.value.violations[0].field == "cursor"

    @pytest.mark.parametrize("value", ["a\0", 5, None])
    def test_holds_only_text_that_the_database_can_hold(self, value: object) -> None:
        with pytest.raises(Invalid):
            cursor.read(cursor.write(value), tuple[Text])

    def test_an_instant_has_a_zone(self) -> None:
        with pytest.raises(Invalid):
            cursor.read(cursor.write("2026-01-01T00:00:00"), tuple[Instant])
