from __future__ import annotations

import pytest

from infra.cli.tail import Tail


class Growing:
    """Pages of two rows; the cursor is the place, or None at the end, as `closed` says."""

    def __init__(self, *rows: str, closed: bool) -> None:
        self.rows = list(rows)
        self.closed = closed
        self.broken_at: int | None = None

    def __call__(self, cursor: str | None) -> tuple[list[str], str | None]:
        start = int(cursor or 0)
        if start == self.broken_at:
            raise OSError
        page = self.rows[start : start + 2]
        end = start + len(page)
        return page, None if self.closed and end == len(self.rows) else str(end)


@pytest.mark.parametrize("closed", [True, False])
class TestTail:
    def test_gives_each_row_once_while_they_grow(self, closed: bool) -> None:
        growing = Growing("a", "b", "c", closed=closed)
        tail = Tail(growing, hash)
        assert tail.read() == ["a", "b", "c"]
        assert tail.read() == []
        growing.rows += ["d", "e", "f"]
        assert tail.read() == ["d", "e", "f"]
        assert tail.read() == []

    def test_keeps_the_pages_before_one_that_failed(self, closed: bool) -> None:
        growing = Growing("a", "b", "c", closed=closed)
        growing.broken_at = 2
        tail = Tail(growing, hash)
        with pytest.raises(OSError):  # noqa: PT011 - the fault that this test makes
            tail.read()
        growing.broken_at = None
        assert tail.read() == ["a", "b", "c"]
