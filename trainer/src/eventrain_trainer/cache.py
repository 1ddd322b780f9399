"""Files that the jobs of a project share on a node, so that none is fetched twice.

entries/  whole files by what they are, read-only
parts/    those that are being fetched, each under the lock of its name
uses/     for each process that fetches, names of its own for what it uses: taking an entry away
          takes nothing from who uses it, and a count of names says whether anyone does
locks/    held by whoever fetches an entry, or lives; the kernel lets go of a dead one's

Whatever cannot be done here is done without: no job fails for its cache.
"""

import fcntl
import logging
import os
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from eventrain_trainer.addresses import TransferError
from eventrain_trainer.download import NoRoom

log = logging.getLogger("eventrain")

Make = Callable[[Path], None]

FOLDERS = ("entries", "parts", "uses", "locks")
READ_ONLY = 0o444
# The time of writing that every entry is given: whoever writes into one moves it.
UNTOUCHED = 946_684_800 * 10**9
LOOK_EVERY = 0.2


class Cache:
    """`limit` bounds the bytes of all that is here."""

    def __init__(self, folder: Path, limit: int, warn: Callable[[str], None] = log.warning) -> None:
        self._folder, self._limit, self._warn = folder, limit, warn
        self._me = uuid.uuid4().hex
        self._alive: int | None = None
        self._opening = threading.Lock()

    def take(self, key: str, size: int, make: Make, wait: float) -> Path | None:
        """The file of this key, made by `make` where it is not there; it stays until this process
        has ended, whatever becomes of the entry. None where the cache has no room, cannot be
        written, or another is at it and gets nowhere for `wait` seconds. Raises what `make` raises."""
        try:
            self._open()
            with self._locked(key, wait) as mine:
                return self._take(key, size, make) if mine else None
        except NoRoom:
            return None
        except TransferError:
            raise
        except OSError as error:
            self._warn(f"the cache of files cannot be used: {error}")
            return None

    def close(self) -> None:
        """Nothing is used any more."""
        if self._alive is not None:
            shutil.rmtree(self._folder / "uses" / self._me, ignore_errors=True)
            (self._folder / "locks" / self._me).unlink(missing_ok=True)
            os.close(self._alive)
            self._alive = None

    def _open(self) -> None:
        with self._opening:
            if self._alive is not None:
                return
            for name in FOLDERS:
                (self._folder / name).mkdir(parents=True, exist_ok=True)
            self._alive = _lock(self._folder / "locks" / self._me)
            (self._folder / "uses" / self._me).mkdir()

    def _take(self, key: str, size: int, make: Make) -> Path | None:
        entry, used = self._folder / "entries" / key, self._folder / "uses" / self._me / key
        if not _is_whole(entry, size):
            entry.unlink(missing_ok=True)
            if not self._make(key, size, make):
                return None
        os.utime(entry, ns=(time.time_ns(), UNTOUCHED))
        used.unlink(missing_ok=True)
        os.link(entry, used)
        return used

    def _make(self, key: str, size: int, make: Make) -> bool:
        part = self._folder / "parts" / key
        try:
            with self._locked("room", LOOK_EVERY * 50) as mine:
                if not mine or not self._make_room(size):
                    return False
                with part.open("wb") as file:
                    file.truncate(size)
            make(part)
            part.chmod(READ_ONLY)
            os.utime(part, ns=(time.time_ns(), UNTOUCHED))
            part.replace(self._folder / "entries" / key)
        finally:
            part.unlink(missing_ok=True)
        return True

    def _make_room(self, size: int) -> bool:
        """What was used least recently goes first; what somebody uses stays."""
        self._forget_the_dead()
        room = min(self._limit - self._filled(), shutil.disk_usage(self._folder).free)
        for entry in sorted((self._folder / "entries").iterdir(), key=_last_used):
            if room >= size:
                break
            room += self._evict(entry)
        return room >= size

    def _evict(self, entry: Path) -> int:
        """The bytes that it gave back."""
        with self._locked(entry.name, 0) as mine:
            if not mine or not entry.exists() or entry.stat().st_nlink > 1:
                return 0
            size = entry.stat().st_size
            entry.unlink()
            return size

    def _filled(self) -> int:
        sizes: dict[int, int] = {}
        for path in self._folder.rglob("*"):
            with suppress(FileNotFoundError):
                found = path.stat()
                sizes[found.st_ino] = found.st_size if path.is_file() else 0
        return sum(sizes.values())

    def _forget_the_dead(self) -> None:
        for folder in ("uses", "parts"):
            for left in (self._folder / folder).iterdir():
                with self._locked(left.name, 0) as mine:
                    if mine and left.is_dir():
                        shutil.rmtree(left, ignore_errors=True)
                    elif mine:
                        left.unlink(missing_ok=True)

    @contextmanager
    def _locked(self, name: str, wait: float) -> Generator[bool]:
        """Whether the lock was free in time; a lock that nobody holds leaves no file."""
        path = self._folder / "locks" / name
        held = next(_tries(path, self._folder / "parts" / name, wait), None)
        try:
            yield held is not None
        finally:
            if held is not None:
                path.unlink(missing_ok=True)
                os.close(held)


def _tries(path: Path, part: Path, wait: float) -> Iterator[int]:
    since, seen = time.monotonic(), 0
    while True:
        with suppress(BlockingIOError):
            yield _lock(path)
        with suppress(FileNotFoundError):
            written = part.stat().st_mtime_ns
            since, seen = (time.monotonic(), written) if wait and written != seen else (since, seen)
        if time.monotonic() >= since + wait:
            return
        time.sleep(LOOK_EVERY)


def _lock(path: Path) -> int:
    """Raises BlockingIOError where somebody holds it."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever held it before may have taken the file away meanwhile.
            if path.exists() and os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _is_whole(entry: Path, size: int) -> bool:
    if not entry.is_file():
        return False
    found = entry.stat()
    return found.st_size == size and found.st_mtime_ns == UNTOUCHED


def _last_used(entry: Path) -> int:
    try:
        return entry.stat().st_atime_ns
    except FileNotFoundError:
        return 0
