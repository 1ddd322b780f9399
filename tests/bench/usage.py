"""What a process and its children have used."""

import psutil


class Usage:
    """CPU of a process and its children from here on, and their memory."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._before = self._spent()

    def seconds(self) -> float:
        return self._spent() - self._before

    def memory(self) -> int:
        return sum(process.memory_info().rss for process in self._all())

    def _spent(self) -> float:
        return sum(sum(process.cpu_times()[:2]) for process in self._all())

    def _all(self) -> list[psutil.Process]:
        return [self._process, *self._process.children(recursive=True)]
