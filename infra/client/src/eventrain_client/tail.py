"""Reading a growing collection to its end, again and again, each row once."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from eventrain_client.flow import Flow

Row = TypeVar("Row")


class Tail(Generic[Row]):
    """`fetch(cursor)` comes to a page and the next cursor, None at the end.

    At the end the last page is asked for again, so its rows are remembered until the
    cursor moves past them.
    """

    def __init__(
        self,
        fetch: Callable[[str | None], Flow[tuple[list[Row], str | None]]],
        key: Callable[[Row], Hashable],
    ) -> None:
        self._fetch = fetch
        self._key = key
        self._cursor: str | None = None
        self._seen: set[Hashable] = set()
        self._unread: list[Row] = []

    def read(self) -> Flow[list[Row]]:
        """What is new. When a page cannot be had, the pages before it come with the next read."""
        yield from self.fill()
        return self.take()

    def fill(self) -> Flow[None]:
        while (yield from self._read_page()):
            pass

    def take(self) -> list[Row]:
        rows, self._unread = self._unread, []
        return rows

    def _read_page(self) -> Flow[bool]:
        rows, following = yield from self._fetch(self._cursor)
        self._unread += [row for row in rows if self._key(row) not in self._seen]
        if following is None or following == self._cursor:
            self._seen.update(map(self._key, rows))
            return False
        self._cursor, self._seen = following, set()
        return bool(rows)
