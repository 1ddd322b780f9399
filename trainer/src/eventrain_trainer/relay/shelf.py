"""The files that a program logs: on this disk for its reading back, uploaded in the background.

Each is written beside its place and appears there whole. A name that is logged anew is a new file,
so that none is written over while it is uploaded; the newest is what is stored in the end.
"""

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import IO, Any

from eventrain_trainer.relay.failure import Failure, invalid, unknown

LONGEST_NAME = 400
LEAST_FREE = 64 * 1024 * 1024
BLOCK = 1024 * 1024

Upload = Callable[[Path, str, Callable[[], None]], None]


@dataclass(frozen=True, slots=True)
class File:
    path: Path
    size: int


class Shelf:
    """`upload` takes a file, its name, and whom to call when it is stored or given up."""

    def __init__(self, folder: Path, upload: Upload, forget: Callable[[str], None]) -> None:
        self._folder, self._upload, self._forget = folder, upload, forget
        self._lock = threading.RLock()
        self._files: dict[str, File] = {}
        self._underway: dict[str, File] = {}
        self._count = 0

    def put(self, name: str, blocks: Iterator[bytes], announced: int) -> None:
        """Raises Failure, and whatever the blocks do where they break off."""
        self.check(name)
        part = self._make_part(announced)
        try:
            with part.open("wb") as sink:
                for block in blocks:
                    sink.write(block)
            with self._lock:
                self.check(name)
                self._replace(name, File(part, part.stat().st_size))
        except BaseException:
            part.unlink(missing_ok=True)
            raise

    def get(self, name: str) -> tuple[IO[bytes], int]:
        """The file, opened: it may be replaced meanwhile."""
        with self._lock:
            found = self._files.get(name)
            if found is None:
                raise unknown(f"No such artifact: '{name}'")
            return found.path.open("rb"), found.size

    def listing(self, folder: str) -> list[dict[str, Any]]:
        """What lies directly in a folder, by its last name."""
        prefix = f"{folder.rstrip('/')}/"
        found: dict[str, dict[str, Any]] = {}
        with self._lock:
            for name, file in sorted(self._files.items()):
                if name.startswith(prefix):
                    first, _, deeper = name.removeprefix(prefix).partition("/")
                    here = {"path": first, "is_dir": bool(deeper)}
                    found[first] = here | ({} if deeper else {"file_size": file.size})
        return list(found.values())

    def remove(self, name: str) -> None:
        """A file, or all below a folder."""
        with self._lock:
            gone = [each for each in self._files if each == name or each.startswith(f"{name}/")]
            for each in gone:
                file = self._files.pop(each)
                if each not in self._underway:
                    self._drop(file)
                self._forget(each)

    def check(self, name: str) -> None:
        """Raises Failure for what S3 could not hold, or not beside what is there."""
        parts = name.split("/")
        if len(name) > LONGEST_NAME or not name.isprintable() or "\\" in name:
            raise invalid(f"Invalid path: {name[:100]!r}")
        if any(part in ("", ".", "..") for part in parts):
            raise invalid(f"Invalid path: {name!r}")
        with self._lock:
            above = ["/".join(parts[:count]) for count in range(1, len(parts))]
            inside = any(each.startswith(f"{name}/") for each in self._files)
            if inside or any(each in self._files for each in above):
                raise invalid(f"Invalid path: {name!r} is a file and a folder")

    def _make_part(self, announced: int) -> Path:
        self._folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self._folder).free
        if free - announced < LEAST_FREE:
            raise Failure(
                "RESOURCE_EXHAUSTED",
                f"The trainer's disk has room for {free} bytes only.",
                HTTPStatus.INSUFFICIENT_STORAGE,
            )
        with self._lock:
            self._count += 1
            return self._folder / f"{self._count}.bin"

    def _replace(self, name: str, file: File) -> None:
        before = self._files.get(name)
        self._files[name] = file
        if before is not None and before is not self._underway.get(name):
            self._drop(before)
        if name not in self._underway:
            self._send(name, file)

    def _send(self, name: str, file: File) -> None:
        self._underway[name] = file
        self._upload(file.path, name, lambda: self._sent(name))

    def _sent(self, name: str) -> None:
        with self._lock:
            sent = self._underway.pop(name)
            newest = self._files.get(name)
            if newest is sent:
                return
            self._drop(sent)
            if newest is None:
                self._forget(name)
            else:
                self._send(name, newest)

    def _drop(self, file: File) -> None:
        with suppress(OSError):
            file.path.unlink(missing_ok=True)
