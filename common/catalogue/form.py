"""multipart/form-data, read as it arrives: nothing is kept but the piece at hand."""

from collections.abc import AsyncGenerator, AsyncIterable
from dataclasses import dataclass
from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from common.errors import Invalid, Unreadable, Violation


@dataclass(frozen=True, slots=True)
class Begin:
    """A file begins."""

    name: str


@dataclass(frozen=True, slots=True)
class Data:
    """A piece of the file that began last."""

    content: bytes


@dataclass(frozen=True, slots=True)
class End:
    """That file is complete."""


Piece = Begin | Data | End


async def read_files(
    content_type: str | None, chunks: AsyncIterable[bytes]
) -> AsyncGenerator[Piece]:
    """The files of a form, piece by piece; its other fields are passed over. Raises Unreadable,
    also where the body ends too soon, and Invalid where no file is in it."""
    form = _Form(_boundary(content_type))
    count = 0
    async for chunk in chunks:
        for piece in form.take(chunk):
            count += isinstance(piece, Begin)
            yield piece
    if not form.ended:
        raise Unreadable("The form is cut off.")
    if not count:
        raise Invalid([Violation("files", "at least one file is required")])


def _boundary(content_type: str | None) -> bytes:
    kind, options = parse_options_header(content_type or "")
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        raise Unreadable("The body must be multipart/form-data with a boundary.")
    return boundary


class _Form:
    def __init__(self, boundary: bytes) -> None:
        self.ended = False
        self._header = (b"", b"")
        self._disposition = b""
        self._in_file = False
        self._pieces: list[Piece] = []
        callbacks: Any = {
            "on_part_begin": self._begin,
            "on_header_field": self._name,
            "on_header_value": self._value,
            "on_header_end": self._keep_header,
            "on_headers_finished": self._open,
            "on_part_data": self._data,
            "on_part_end": self._close,
            "on_end": self._end,
        }
        try:
            self._parser = MultipartParser(boundary, callbacks)
        except FormParserError:
            raise Unreadable("The form's boundary is too long.") from None

    def take(self, chunk: bytes) -> list[Piece]:
        try:
            self._parser.write(chunk)
        except FormParserError:
            raise Unreadable("The body is not a form that can be read.") from None
        pieces, self._pieces = self._pieces, []
        return pieces

    def _begin(self) -> None:
        self._header, self._disposition, self._in_file = (b"", b""), b"", False

    def _name(self, data: bytes, start: int, end: int) -> None:
        self._header = (self._header[0] + data[start:end], b"")

    def _value(self, data: bytes, start: int, end: int) -> None:
        self._header = (self._header[0], self._header[1] + data[start:end])

    def _keep_header(self) -> None:
        if self._header[0].lower() == b"content-disposition":
            self._disposition = self._header[1]
        self._header = (b"", b"")

    def _open(self) -> None:
        name = parse_options_header(self._disposition)[1].get(b"filename")
        if name is not None:
            self._in_file = True
            self._pieces.append(Begin(name.decode("utf-8", "replace")))

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._in_file:
            self._pieces.append(Data(data[start:end]))

    def _close(self) -> None:
        if self._in_file:
            self._pieces.append(End())

    def _end(self) -> None:
        self.ended = True
