"""The folder whose files become checkpoints, for a program that imports nothing of ours.

A file counts once it is whole: nobody writes into it any more, and since the last look it has not
changed. Names that begin with a dot or end like a draft's do not count, so that a program may write
under such a name and rename. Folders in it do not count.
"""

import os
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from eventrain_trainer.upload import stamp

FOLDER = "CHECKPOINT_DIR"
RESUME = "RESUME_FROM"
LOOK_EVERY = 1.0
DRAFTS = (".tmp", ".temp", ".part", ".partial", ".incomplete", ".lock")

Stamp = tuple[int, int]


class CheckpointFolder:
    """`save` is called once for each file, and again when it was written anew."""

    def __init__(self, folder: Path, save: Callable[[Path], None]) -> None:
        self._folder, self._save = folder, save
        self._seen: dict[Path, Stamp] = {}
        self._told: dict[Path, Stamp] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="eventrain-folder", daemon=True)

    def open(self) -> None:
        """What lies there already is not of this attempt."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._told = dict(self._files())
        self._thread.start()

    def close(self, *, whole: bool) -> None:
        """The program has ended. Whether it left its files whole: one that was killed may have
        been in the middle of one."""
        self._over.set()
        self._thread.join()
        if whole:
            self._tell(dict(self._files()))

    def look(self) -> None:
        """Hands in what has come to rest."""
        found = dict(self._files())
        still = {path: at for path, at in found.items() if self._seen.get(path) == at}
        fresh = {path: at for path, at in still.items() if self._told.get(path) != at}
        if fresh:
            written = _written_to()
            self._tell({path: at for path, at in fresh.items() if _identity(path) not in written})
        self._seen = found

    def _run(self) -> None:
        while not self._over.wait(LOOK_EVERY):
            with suppress(OSError):
                self.look()

    def _tell(self, files: dict[Path, Stamp]) -> None:
        for path in sorted(files, key=lambda path: files[path][1]):
            if self._told.get(path) != files[path]:
                self._told[path] = files[path]
                self._save(path)

    def _files(self) -> Iterator[tuple[Path, Stamp]]:
        for path in self._folder.iterdir():
            with suppress(FileNotFoundError):
                plain = stat.S_ISREG(path.lstat().st_mode)
                if plain and path.name[0] != "." and not path.name.endswith(DRAFTS):
                    yield path, stamp(path)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _written_to() -> set[tuple[int, int] | None]:
    """The files that a process which we may look at holds open for writing; none are known where
    the system does not tell. What is gone meanwhile counts as one of them."""
    found: set[tuple[int, int] | None] = {None}
    for folder in Path("/proc").glob("[0-9]*/fd"):
        with suppress(OSError):
            for descriptor in folder.iterdir():
                with suppress(OSError, ValueError):
                    if _writes(folder.parent / "fdinfo" / descriptor.name):
                        opened = descriptor.stat()
                        found.add((opened.st_dev, opened.st_ino))
    return found


def _writes(info: Path) -> bool:
    flags = next(line for line in info.read_text().splitlines() if line.startswith("flags:"))
    return int(flags.split()[1], 8) & os.O_ACCMODE != os.O_RDONLY
