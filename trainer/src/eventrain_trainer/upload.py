"""Uploads in the background, one after the other, in the order in which they were asked for."""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from eventrain_trainer.patience import Deadline
from eventrain_trainer.transfer import Overwritten, Stored, Transfer


def stamp(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns


@dataclass(frozen=True, slots=True)
class Task:
    """Either `stored` or `lost` is called, once, in the uploader's thread."""

    path: Path
    folder: str
    name: str
    stored: Callable[[Stored], None]
    lost: Callable[[str], None]
    written: tuple[int, int] | None = None
    """Size and time of writing that the file must still have. Its digest then goes into its name,
    so that a later file of the same name is another object."""

    def key(self, sha256: str) -> str:
        if self.written is None:
            return f"{self.folder}/{self.name}"
        if stamp(self.path) != self.written:
            raise Overwritten("it was written over first; keep it, or pass copy=True")
        return f"{self.folder}/{sha256[:16]}-{self.name}"


class Uploader:
    def __init__(self, transfer: Transfer, deadline: Deadline) -> None:
        self._transfer, self._deadline = transfer, deadline
        self._tasks: deque[Task] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def open(self) -> None:
        self._thread = threading.Thread(target=self._run, name="eventrain-uploads", daemon=True)
        self._thread.start()

    def put(self, task: Task) -> None:
        with self._changed:
            self._tasks.append(task)
            self._changed.notify_all()

    def drain(self) -> None:
        """Waits until nothing is left to upload or the deadline is over."""
        with self._changed:
            while self._tasks and not self._deadline.over:
                self._changed.wait(min(1.0, max(0.0, self._deadline.left)))

    def left(self) -> list[str]:
        with self._changed:
            return [task.name for task in self._tasks]

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._tasks:
                    self._changed.wait()
                task = self._tasks[0]
            self._upload(task)
            with self._changed:
                self._tasks.popleft()
                self._changed.notify_all()

    def _upload(self, task: Task) -> None:
        try:
            stored = self._transfer.upload(task.path, task.key, self._deadline)
        except Exception as error:  # noqa: BLE001 the thread's boundary
            task.lost(f"{task.name} was not uploaded: {error}")
        else:
            task.stored(stored)
