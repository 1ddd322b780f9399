"""The folder that holds everything of a stack, used by one stack at a time.

lock           held while the stack runs, names its pid
secrets.json   made once: passwords and keys
client.json    address and token for the command line
config/        the files that functions mount, to be edited at run time
postgres/ s3/ cluster/ functions/ logs/
cache/         what jobs fetch and share, a folder a project
"""

import contextlib
import errno
import fcntl
import os
import shutil
from pathlib import Path

from infra.local.problem import HomeProblem

LEAST_FREE = 100 << 20


class Home:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock: int | None = None

    def __truediv__(self, name: str) -> Path:
        return self.folder / name

    def open(self) -> None:
        """Make the folder and take it; a HomeProblem says why that is not possible."""
        try:
            self._make()
            self._take()
            self._try_writing()
        except OSError as problem:
            self.close()
            raise HomeProblem(explain(problem, self.folder)) from problem

    def close(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def folder_of(self, name: str) -> Path:
        path = self.folder / name
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return path

    def free(self) -> int:
        return shutil.disk_usage(self.folder).free

    def _make(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self.folder.stat().st_mode & 0o077:
            self.folder.chmod(0o700)

    def _take(self) -> None:
        self._lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as problem:
            pid = os.read(self._lock, 32).decode().strip() or "unknown"
            self.close()
            raise HomeProblem(
                f"{self.folder} is in use by another `eventrain up` (pid {pid}): "
                "stop that one, or choose another folder with --home."
            ) from problem
        os.truncate(self._lock, 0)
        os.pwrite(self._lock, f"{os.getpid()}\n".encode(), 0)

    def _try_writing(self) -> None:
        if self.free() < LEAST_FREE:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write_private(self.folder / "written", "")
        (self.folder / "written").unlink()


def explain(problem: OSError, folder: Path) -> str:
    """One sentence for what the file system refused."""
    match problem.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return f"The disk that holds {folder} is full: make room, or choose --home elsewhere."
        case errno.EROFS | errno.EACCES | errno.EPERM:
            return f"{folder} cannot be written: choose another folder with --home."
        case errno.ENOTDIR | errno.EEXIST:
            return f"{folder} is not a folder: choose another one with --home."
        case _:
            return f"{folder} cannot be used: {problem.strerror}."


def write_private(file: Path, text: str, *, durable: bool = True) -> None:
    """Write for our eyes only, whole or not at all."""
    fresh = file.with_name(f"{file.name}.new")
    with contextlib.suppress(FileNotFoundError):
        fresh.unlink()
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as opened:
        opened.write(text)
        if durable:
            opened.flush()
            os.fsync(opened.fileno())
    fresh.replace(file)
