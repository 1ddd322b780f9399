"""Unpacks an archive of unknown origin: files and folders below one folder, within bounds, else
nothing of it is used."""

import gzip
import shutil
import tarfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO

LARGEST_FOLDER = 1024**3
MOST_ENTRIES = 20_000
# Text shrinks to a tenth or so; what shrinks to less than a hundredth was made to.
GREATEST_RATIO = 100
ALWAYS_ALLOWED = 64 * 1024**2
FILES = (tarfile.REGTYPE, tarfile.AREGTYPE)
NAMES = {
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.LNKTYPE: "a hard link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a pipe",
}


class BadArchive(Exception):
    """The archive is not unpacked."""


class Bounded:
    """The stream, as long as no more comes out than the bound: an archive's own word on the size
    of its entries is not believed."""

    def __init__(self, stream: IO[bytes], bound: int) -> None:
        self._stream, self._left, self._bound = stream, bound, bound

    def read(self, size: int) -> bytes:
        block = self._stream.read(size)
        self._left -= len(block)
        if self._left < 0:
            raise BadArchive(f"it unpacks to more than {self._bound} bytes")
        return block


def unpack(archive: Path, target: Path) -> None:
    """A .tar.gz. Raises BadArchive, and leaves what was unpacked by then."""
    bound = min(LARGEST_FOLDER, max(ALWAYS_ALLOWED, archive.stat().st_size * GREATEST_RATIO))
    target.mkdir(parents=True)
    try:
        with (
            gzip.open(archive) as stream,
            tarfile.open(fileobj=Bounded(stream, bound), mode="r|") as entries,  # type: ignore[arg-type]
        ):
            for count, entry in enumerate(entries, 1):
                if count > MOST_ENTRIES:
                    raise BadArchive(f"it holds more than {MOST_ENTRIES} files")
                _unpack(entries, entry, target)
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, ValueError) as error:
        raise BadArchive(f"it is no whole .tar.gz: {error}") from error


def _unpack(entries: tarfile.TarFile, entry: tarfile.TarInfo, target: Path) -> None:
    path = target / _inside(entry.name)
    try:
        if entry.type == tarfile.DIRTYPE:
            path.mkdir(parents=True, exist_ok=True)
        elif entry.type in FILES and not entry.issparse():
            path.parent.mkdir(parents=True, exist_ok=True)
            _write(entries, entry, path)
        else:
            kind = NAMES.get(entry.type, "neither a file nor a folder")
            raise BadArchive(f"{entry.name!r} is {kind}; only files and folders are taken")
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise BadArchive(f"{entry.name!r} is there twice") from error


def _write(entries: tarfile.TarFile, entry: tarfile.TarInfo, path: Path) -> None:
    content = entries.extractfile(entry)
    assert content is not None
    with path.open("xb") as file:
        shutil.copyfileobj(content, file)
    path.chmod(0o755 if entry.mode & 0o100 else 0o644)


def _inside(name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute():
        raise BadArchive(f"{name!r} is an absolute path")
    if ".." in path.parts:
        raise BadArchive(f"{name!r} climbs out of the folder")
    return path
