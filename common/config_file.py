"""A configuration file that may change while we run."""

import hashlib
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")

_log = logging.getLogger(__name__)


class ConfigFile(Generic[T]):
    """A parsed file, read again when its content changed. Looks at the disk at most once in
    `every` seconds; a new version that cannot be parsed leaves the old one in force."""

    def __init__(
        self,
        path: Path,
        parse: Callable[[bytes], T],
        *,
        every: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self._parse = parse
        self._every = every
        self._clock = clock
        self._looked_at = clock()
        self._fingerprint = _fingerprint(path)
        content = path.read_bytes()
        self._digest = _digest(content)
        self._value = parse(content)

    def current(self) -> T:
        """The newest version that could be parsed."""
        now = self._clock()
        if now - self._looked_at >= self._every:
            self._looked_at = now
            self._look()
        return self._value

    def _look(self) -> None:
        try:
            fingerprint = _fingerprint(self._path)
            if fingerprint == self._fingerprint:
                return
            content = self._path.read_bytes()
        except OSError as wrong:
            self._complain_once(("unreadable",), f"cannot be read: {wrong.strerror}")
            return
        self._fingerprint = fingerprint
        self._replace(content)

    def _replace(self, content: bytes) -> None:
        digest = _digest(content)
        if digest == self._digest:
            return
        self._digest = digest
        try:
            self._value = self._parse(content)
        except Exception as wrong:  # noqa: BLE001 - whatever a parser raises
            _log.error("%s is broken, the version before stays: %s", self._path, wrong)
        else:
            _log.info("%s was read again", self._path)

    def _complain_once(self, fingerprint: tuple[object, ...], reason: str) -> None:
        if fingerprint != self._fingerprint:
            self._fingerprint = fingerprint
            _log.error("%s %s; the version before stays", self._path, reason)


def _fingerprint(path: Path) -> tuple[object, ...]:
    found = path.stat()
    return found.st_ino, found.st_mtime_ns, found.st_size


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
