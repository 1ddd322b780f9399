from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.catalogue.form import Begin, Data, End, Piece, read_files
from common.errors import Invalid, Unreadable

KIND = "multipart/form-data; boundary=edge"
FORM = (
    b'--edge\r\nContent-Disposition: form-data; name="note"\r\n\r\npassed over\r\n'
    b'--edge\r\nContent-Disposition: form-data; name="files"; filename="a.csv"\r\n'
    b"Content-Type: text/csv\r\n\r\nx,y\r\n--edg\r\n1,2\r\n"
    b'--edge\r\nContent-Disposition: form-data; name="files"; filename="b"\r\n\r\nb\r\n--edge--\r\n'
)


async def in_pieces(form: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(form), size):
        yield form[start : start + size]


async def read(form: bytes, size: int = 1000, kind: str | None = KIND) -> list[Piece]:
    return [piece async for piece in read_files(kind, in_pieces(form, size))]


def contents(pieces: list[Piece]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    name = ""
    for piece in pieces:
        match piece:
            case Begin():
                name = piece.name
                found[name] = b""
            case Data():
                found[name] += piece.content
            case End():
                name = ""
    return found


class TestReadFiles:
    @given(size=st.integers(1, len(FORM)))
    async def test_reads_the_same_however_it_arrives(self, size: int) -> None:
        assert contents(await read(FORM, size)) == {"a.csv": b"x,y\r\n--edg\r\n1,2", "b": b"b"}

    @given(end=st.integers(0, len(FORM) - 5))
    async def test_refuses_a_form_that_is_cut_off(self, end: int) -> None:
        with pytest.raises(Unreadable):
            await read(FORM[:end])

    @pytest.mark.parametrize(
        "kind",
        [
            None,
            "application/json",
            "multipart/form-data",
            "multipart/form-data; boundary=" + "b" * 300,
        ],
    )
    async def test_refuses_another_content_type(self, kind: str | None) -> None:
        with pytest.raises(Unreadable):
            await read(FORM, kind=kind)

    async def test_refuses_a_form_without_a_file(self) -> None:
        with pytest.raises(Invalid):
            await read(
                b'--edge\r\nContent-Disposition: form-data; name="x"\r\n\r\ny\r\n--edge--\r\n'
            )
