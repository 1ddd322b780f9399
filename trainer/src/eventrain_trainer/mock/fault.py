"""How a mock misbehaves, a call at a time."""

import threading
from collections import deque
from collections.abc import Iterable

CALLS = {
    "up": "answers as it should",
    "slow": "answers late",
    "away": "answers 503",
    "broken": "answers 500",
    "refused": "resets the connection before it hears anything",
    "cut": "hears, does what is asked, and cuts the connection instead of answering",
    "silent": "hears nothing and never answers",
}
UPLOADS = {
    "kept": "keeps what is put",
    "refused": "answers 403, as S3 does past an address's hour",
    "cut": "cuts the connection after half of the body",
    "lost": "answers 200 and keeps nothing",
}


class Faults:
    """What the next calls meet: first those that were lined up, then the mode."""

    def __init__(self, kinds: dict[str, str], mode: str) -> None:
        self._kinds, self._mode = kinds, mode
        self._turns: deque[str] = deque()
        self._lock = threading.Lock()
        self.met = 0
        """How many calls have met a fault."""

    @property
    def mode(self) -> str:
        return self._mode

    @mode.setter
    def mode(self, kind: str) -> None:
        self._known(kind)
        with self._lock:
            self._mode = kind
            self._turns.clear()

    def line_up(self, kinds: Iterable[str]) -> None:
        """One call each, in this order."""
        wanted = [self._known(kind) for kind in kinds]
        with self._lock:
            self._turns.extend(wanted)

    @property
    def waiting(self) -> int:
        return len(self._turns)

    def next(self) -> str:
        with self._lock:
            kind = self._turns.popleft() if self._turns else self._mode
            self.met += kind != next(iter(self._kinds))
            return kind

    def _known(self, kind: str) -> str:
        if kind not in self._kinds:
            raise ValueError(f"{kind!r} is none of {', '.join(self._kinds)}")
        return kind
