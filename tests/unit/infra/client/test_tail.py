from __future__ import annotations

import pytest
from eventrain_client.drivers import Blocking
from eventrain_client.flow import Flow
from eventrain_client.tail import Tail


class Growing:
    """Pages of two rows; the cursor is the place, or None at the end, as `closed` says."""

    def __init__(self, *rows: str, closed: bool) -> None:
        self.rows = list(rows)
        self.closed = closed
        self.broken_at: int | None = None

    def __call__(self, cursor: str | None) -> Flow[tuple[list[str], str | None]]:
        yield from ()
        start = int(cursor or 0)
        if start == self.broken_at:
            raise OSError
        page = self.rows[start : start + 2]
        end = start + len(page)
        return page, None if self.closed and end == len(self.rows) else str(end)


def read(tail: Tail[str]) -> list[str]:
    return Blocking(1, lambda _: None).run(tail.read())


@pytest.mark.parametrize("closed", [True, False])
class TestTail:
    def test_gives_each_row_once_while_they_grow(self, closed: bool) -> None:
        growing = Growing("a", "b", "c", closed=closed)
        tail = Tail(growing, hash)
        assert read(tail) == ["a", "b", "c"]
        assert read(tail) == []
        growing.rows += ["d", "e", "f"]
        assert read(tail) == ["d", "e", "f"]
        assert read(tail) == []

    def test_keeps_the_pages_before_one_that_failed(self, closed: bool) -> None:
        growing = Growing("a", "b", "c", closed=closed)
        growing.broken_at = 2
        tail = Tail(growing, hash)
        with pytest.raises(OSError):  # noqa: PT011 - the fault that this test makes
            read(tail)
        growing.broken_at = None
        assert read(tail) == ["a", "b", "c"]
