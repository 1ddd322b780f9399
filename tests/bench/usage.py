"""What a process and its children have used."""

from contextlib import suppress
from pathlib import Path

import psutil


class Usage:
    """CPU of a process and its children from here on, and their memory. What a child that has ended
    meanwhile used is not known."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._before = self._spent()

    def seconds(self) -> float:
        return sum(spent - self._before.get(pid, 0) for pid, spent in self._spent().items())

    def memory(self) -> int:
        return sum(process.memory_info().rss for process in self._all())

    def _spent(self) -> dict[int, float]:
        spent: dict[int, float] = {}
        for process in self._all():
            with suppress(psutil.NoSuchProcess):
                spent[process.pid] = sum(process.cpu_times()[:2])
        return spent

    def _all(self) -> list[psutil.Process]:
        return [self._process, *self._process.children(recursive=True)]


def peak_memory(pid: int) -> int:
    """The most that the process ever held, in bytes."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    (line,) = (line for line in lines if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024
