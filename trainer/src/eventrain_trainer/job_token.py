"""The job token: the newest one that worked."""

import threading
from pathlib import Path


class Token:
    """The environment's first; heartbeats renew it and, after a 401, the mounted file does."""

    def __init__(self, value: str, file: Path | None = None) -> None:
        self._lock = threading.Lock()
        self._file = file
        self._value = value or self.mounted() or ""

    @property
    def value(self) -> str:
        with self._lock:
            return self._value

    def adopt(self, value: str) -> None:
        with self._lock:
            self._value = value

    def mounted(self) -> str | None:
        """What the Secret holds now; None where there is no file or nothing in it."""
        if self._file is None:
            return None
        try:
            return self._file.read_text(encoding="ascii").strip() or None
        except (OSError, UnicodeDecodeError):
            return None
