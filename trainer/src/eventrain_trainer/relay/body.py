"""The body of a request, read as it comes: of a known length, or in chunks."""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import IO

from eventrain_trainer.relay.failure import Failure

BLOCK = 256 * 1024
LARGEST_JSON = 32 * 1024 * 1024
LONGEST_LINE = 1024


class Vanished(ConnectionError):
    """Whoever sent this has gone, or speaks no HTTP."""


class Body:
    def __init__(self, source: IO[bytes], headers: Mapping[str, str]) -> None:
        self._source = source
        self._chunked = "chunked" in headers.get("Transfer-Encoding", "").lower()
        length = headers.get("Content-Length", "0").strip()
        if not length.isascii() or not length.isdigit():
            raise Vanished(f"a body of length {length}")
        self.announced = 0 if self._chunked else int(length)
        self._blocks = self._read_chunks() if self._chunked else self._read(self.announced)

    def blocks(self) -> Iterator[bytes]:
        """What of it was not read yet. Raises Vanished where it breaks off."""
        return self._blocks

    def drain(self) -> None:
        """Hears it out, so that the answer is heard."""
        for _ in self._blocks:
            pass

    def read(self) -> bytes:
        """All of it. Raises Failure where it is too large, Vanished."""
        found = bytearray()
        for block in self._blocks:
            found += block
            if len(found) > LARGEST_JSON:
                raise Failure(
                    "BAD_REQUEST",
                    f"The request body is larger than {LARGEST_JSON} bytes.",
                    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                )
        return bytes(found)

    def _read(self, length: int) -> Iterator[bytes]:
        left = length
        while left:
            block = self._source.read(min(BLOCK, left))
            if not block:
                raise Vanished(f"{left} of {length} bytes did not come")
            left -= len(block)
            yield block

    def _read_chunks(self) -> Iterator[bytes]:
        while size := self._chunk_size():
            yield from self._read(size)
            self._line()
        while self._line():
            pass

    def _chunk_size(self) -> int:
        said = self._line().partition(b";")[0].strip()
        try:
            return int(said, 16)
        except ValueError:
            raise Vanished(f"a chunk of size {said!r}") from None

    def _line(self) -> bytes:
        line = self._source.readline(LONGEST_LINE)
        if not line.endswith(b"\n"):
            raise Vanished("a line broke off")
        return line.strip()
