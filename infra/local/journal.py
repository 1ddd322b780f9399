"""What the stack has to say: every sentence to its log, to the terminal none twice a minute."""

import contextlib
import logging
import time
from collections.abc import Callable, Generator
from datetime import UTC, datetime
from pathlib import Path

QUIET_SECONDS = 60.0
LIBRARIES = ("uvicorn", "asyncio", "aiohttp")


class Journal:
    def __init__(
        self, file: Path, tell: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._file = file
        self._tell = tell
        self._clock = clock
        self._told: dict[str, float] = {}

    def __call__(self, sentence: str) -> None:
        self._write(sentence)
        now = self._clock()
        self._told = {old: at for old, at in self._told.items() if now - at < QUIET_SECONDS}
        if sentence not in self._told:
            self._told[sentence] = now
            self._tell(sentence)

    def _write(self, sentence: str) -> None:
        """A full disk is no reason to fail here."""
        with contextlib.suppress(OSError), self._file.open("a") as log:
            log.write(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {sentence}\n")


@contextlib.contextmanager
def libraries_writing_to(file: Path) -> Generator[None]:
    """What the servers' libraries log goes to the file, not to the terminal."""
    handler = logging.FileHandler(file, delay=True)
    loggers = [logging.getLogger(name) for name in LIBRARIES]
    before = [logger.propagate for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.propagate = False
    try:
        yield
    finally:
        for logger, propagate in zip(loggers, before, strict=True):
            logger.removeHandler(handler)
            logger.propagate = propagate
        handler.close()
