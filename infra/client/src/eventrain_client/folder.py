"""A folder as one archive, which is the same wherever and whenever it is packed."""

from __future__ import annotations

import gzip
import hashlib
import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from eventrain_client.errors import FolderFault
from eventrain_client.ignore import FILE, Ignored
from eventrain_client.sizes import spell_size

LARGEST_ARCHIVE = 100 * 1024**2
LARGEST_FOLDER = 1024**3
MOST_FILES = 10_000
ADVICE = f"Name in {FILE} what training does not need, and bring data as a dataset."


@dataclass(frozen=True)
class Packed:
    """What an archive holds, and the digest that names it."""

    files: int
    size: int
    digest: str


def list_files(folder: Path) -> list[str]:
    """What is to be packed, relative and in order. Raises FolderFault for what cannot be, and for
    too much."""
    if not folder.is_dir():
        raise FolderFault(f"{folder} is not a folder.")
    found = sorted(_walk(folder, Ignored.of(folder)))
    if not found:
        raise FolderFault(f"{folder} holds nothing to pack.")
    if len(found) > MOST_FILES:
        raise FolderFault(
            f"{folder} holds {len(found)} files; at most {MOST_FILES}.", advice=ADVICE
        )
    sizes = {name: (folder / name).stat().st_size for name in found}
    if sum(sizes.values()) > LARGEST_FOLDER:
        raise _too_large(f"{folder} holds {spell_size(sum(sizes.values()))}", LARGEST_FOLDER, sizes)
    return found


def pack(
    folder: Path, names: list[str], archive: IO[bytes], limit: int = LARGEST_ARCHIVE
) -> Packed:
    """Writes the files into the archive: by name in order, with nothing of who packed them and
    when. Raises FolderFault for one that is too large."""
    with (
        gzip.GzipFile("", "wb", fileobj=archive, mtime=0) as stream,
        tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as entries,
    ):
        for name in names:
            _add(entries, folder / name, name)
    size = archive.tell()
    if size > limit:
        sizes = {name: (folder / name).stat().st_size for name in names}
        raise _too_large(f"{folder} packs to {spell_size(size)}", limit, sizes)
    archive.seek(0)
    digest = hashlib.file_digest(archive, "sha256").hexdigest()  # type: ignore[arg-type]
    return Packed(len(names), size, f"sha256:{digest}")


def _walk(folder: Path, ignored: Ignored) -> Iterator[str]:
    for place, folders, files in os.walk(folder):
        here = Path(place).relative_to(folder)
        folders[:] = [
            name for name in folders if not ignored.covers((here / name).as_posix(), is_folder=True)
        ]
        below = [name for name in folders if (Path(place) / name).is_symlink()]
        for name in [*files, *below]:
            path = (here / name).as_posix()
            if not ignored.covers(path, is_folder=False):
                _check(folder, path)
                yield path


def _check(folder: Path, name: str) -> None:
    path = folder / name
    if not name.isprintable():
        raise FolderFault(f"{name!r} in {folder} has a name that cannot be packed.")
    if path.is_symlink() and not path.resolve().is_relative_to(folder.resolve()):
        raise FolderFault(f"{path} is a link out of the folder.", advice=f"Name it in {FILE}.")
    if not path.is_file():
        raise FolderFault(f"{path} is not a file that can be packed.", advice=f"Name it in {FILE}.")


def _add(entries: tarfile.TarFile, path: Path, name: str) -> None:
    try:
        with path.open("rb") as content:
            found = os.fstat(content.fileno())
            entry = tarfile.TarInfo(name)
            entry.size = found.st_size
            entry.mode = 0o755 if found.st_mode & 0o100 else 0o644
            entries.addfile(entry, content)
    except OSError as error:
        raise FolderFault(f"{path} cannot be read: {error.strerror or error}.") from error


def _too_large(what: str, limit: int, sizes: dict[str, int]) -> FolderFault:
    largest = sorted(sizes, key=lambda name: sizes[name], reverse=True)[:3]
    named = ", ".join(f"{name} ({spell_size(sizes[name])})" for name in largest)
    return FolderFault(f"{what}; at most {spell_size(limit)}. The largest: {named}.", advice=ADVICE)
