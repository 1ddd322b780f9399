"""How far a fetch is: a bar that moves on a terminal, and in a log a line now and then."""

import threading
import time
from collections.abc import Callable
from typing import TextIO

STEP = 0.1
SOONEST = 5.0
LATEST = 60.0
FRAME = 0.2
BAR = 30
UNITS = ("bytes", "kB", "MB", "GB", "TB")


class Progress:
    """Told of each block by whichever thread it came to. `say` writes a line of the job's log,
    `note` what the job is at; None: nothing any more."""

    def __init__(
        self,
        what: str,
        total: int | None,
        *,
        say: Callable[[str], None],
        note: Callable[[str | None], None],
        screen: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._what, self._total = what, total
        self._say, self._note, self._screen, self._clock = say, note, screen, clock
        self._lock = threading.Lock()
        self._came = self._cached = 0
        self._began = self._said = clock()
        self._shown = self._began - FRAME
        self._share = 0.0

    def count(self, size: int) -> None:
        """So many bytes came."""
        with self._lock:
            self._came += size
            self._tell()

    def had(self, size: int) -> None:
        """So many bytes were here already."""
        with self._lock:
            self._cached += size
            self._tell()

    def end(self) -> None:
        """All is here."""
        with self._lock:
            self._clear()
            seconds = self._clock() - self._began
            told = f"{self._what}: {amount(self._came)} in {seconds:.1f} s"
            if self._came and seconds > 0:
                told += f", {amount(self._came / seconds)}/s"
            if self._cached:
                told += f"; {amount(self._cached)} were on this node already"
            self._say(told)
            self._note(None)

    def _tell(self) -> None:
        now, share = self._clock(), self._fraction()
        if now - self._shown >= FRAME:
            self._shown = now
            self._note(f"fetching {self._line(share)}")
            if self._screen is not None:
                self._screen.write(f"\r{_bar(share)} {self._line(share)}\033[K")
                self._screen.flush()
        stepped = share - self._share >= STEP and now - self._said >= SOONEST
        if self._screen is None and (stepped or now - self._said >= LATEST):
            self._said, self._share = now, share
            self._say(self._line(share))

    def _clear(self) -> None:
        if self._screen is not None:
            self._screen.write("\r\033[K")
            self._screen.flush()

    def _line(self, share: float) -> str:
        here = amount(self._came + self._cached)
        if not self._total:
            return f"{self._what}: {here}"
        return f"{self._what}: {share:.0%} of {amount(self._total)}"

    def _fraction(self) -> float:
        return min(1.0, (self._came + self._cached) / self._total) if self._total else 0.0


def amount(size: float) -> str:
    """As people say it."""
    unit = 0
    while size >= 1000 and unit < len(UNITS) - 1:
        size, unit = size / 1000, unit + 1
    return f"{size:.0f} {UNITS[unit]}" if unit == 0 else f"{size:.3g} {UNITS[unit]}"


def _bar(share: float) -> str:
    done = round(share * BAR)
    return f"[{'#' * done}{'.' * (BAR - done)}]"
