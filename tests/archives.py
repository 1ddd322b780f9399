"""Archives as nobody packs them by accident."""

import gzip
import io
import tarfile
from collections.abc import Sequence

Entry = tuple[tarfile.TarInfo, bytes]


def file(name: str, content: bytes = b"", **fields: object) -> Entry:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    for field, value in fields.items():
        setattr(entry, field, value)
    return entry, content


def special(name: str, kind: bytes, target: str = "") -> Entry:
    """A link, a device, a pipe."""
    return file(name, type=kind, linkname=target)


def archive(*entries: Entry) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as packed:
        for entry, content in entries:
            packed.addfile(entry, io.BytesIO(content))
    return made.getvalue()


def bomb(size: int) -> bytes:
    """One file of zeros, which packs to about a thousandth."""
    made = io.BytesIO()
    entry = tarfile.TarInfo("zeros")
    entry.size = size
    block = bytes(1 << 20)
    with gzip.GzipFile(fileobj=made, mode="wb") as packed:
        packed.write(entry.tobuf())
        for _ in range(size // len(block)):
            packed.write(block)
        packed.write(bytes(1024))
    return made.getvalue()


HOSTILE: Sequence[tuple[str, bytes, str]] = [
    ("climbs out", archive(file("../out", b"x")), "climbs out of the folder"),
    ("climbs out from within", archive(file("a/../../out", b"x")), "climbs out of the folder"),
    ("is absolute", archive(file("/tmp/out", b"x")), "an absolute path"),
    (
        "a link to a file outside",
        archive(special("passwd", tarfile.SYMTYPE, "/etc/passwd")),
        "a symbolic link",
    ),
    (
        "a link to write through",
        archive(special("d", tarfile.SYMTYPE, "/tmp"), file("d/out", b"x")),
        "a symbolic link",
    ),
    ("a hard link", archive(special("shadow", tarfile.LNKTYPE, "/etc/shadow")), "a hard link"),
    ("a device", archive(special("null", tarfile.CHRTYPE)), "a device"),
    ("a pipe", archive(special("pipe", tarfile.FIFOTYPE)), "a pipe"),
    ("the same file twice", archive(file("a", b"1"), file("a", b"2")), "there twice"),
    ("a file as a folder", archive(file("a", b"1"), file("a/b", b"2")), "there twice"),
    ("no archive at all", b"print('hello')", "no whole .tar.gz"),
    ("half an archive", archive(file("a", b"x" * 9000))[:60], "no whole .tar.gz"),
]
