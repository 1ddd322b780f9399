"""What a script prints: passed on as it comes, and told in chunks at a bounded rate."""

import os
import re
import select
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import IO, Any, Protocol

from eventrain_trainer.text import clean

LINE_LIMIT = 4096
CHUNK_LINES = 200
CHUNK_BYTES = 32 * 1024
FLUSH_AFTER = 1.0
BYTES_A_SECOND = 64 * 1024
BURST = 1024 * 1024
LINE_END = re.compile(rb"\r\n|\n|\r")


class TellEvent(Protocol):
    def __call__(self, kind: str, payload: dict[str, Any], weight: int = ..., /) -> None: ...


class LineChunks:
    """Lines gathered into log events; `offset` counts the lines of the stream before the first.

    Past the rate lines are left out and counted: the next chunk says how many in `dropped`.
    """

    def __init__(
        self, stream: str, tell: TellEvent, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stream, self._tell, self._clock = stream, tell, clock
        self.tail: deque[str] = deque(maxlen=50)
        self._rest = b""
        self._lines: list[str] = []
        self._bytes = 0
        self._offset = 0
        self._dropped = 0
        self._since = clock()
        self._allowance, self._allowed_at = float(BURST), clock()

    def feed(self, block: bytes) -> None:
        *lines, self._rest = LINE_END.split(self._rest + block)
        if len(self._rest) > LINE_LIMIT * 4:
            lines.append(self._rest)
            self._rest = b""
        for line in lines:
            self._add(clean(line.decode("utf-8", "replace"), LINE_LIMIT))
        self.flush_if_due()

    def flush_if_due(self) -> None:
        if self._lines and self._clock() - self._since >= FLUSH_AFTER:
            self._flush()

    def close(self) -> None:
        if self._rest:
            self._add(clean(self._rest.decode("utf-8", "replace"), LINE_LIMIT))
            self._rest = b""
        if self._lines or self._dropped:
            self._flush()

    def _add(self, line: str) -> None:
        self.tail.append(line)
        weight = len(line) + 1
        if not self._allowed(weight):
            if self._lines:
                self._flush()
            self._dropped += 1
            self._offset += 1
            return
        if not self._lines:
            self._since = self._clock()
        self._lines.append(line)
        self._bytes += weight
        if len(self._lines) >= CHUNK_LINES or self._bytes >= CHUNK_BYTES:
            self._flush()

    def _allowed(self, weight: int) -> bool:
        now = self._clock()
        grown = self._allowance + (now - self._allowed_at) * BYTES_A_SECOND
        self._allowance, self._allowed_at = min(float(BURST), grown), now
        if self._allowance < weight:
            return False
        self._allowance -= weight
        return True

    def _flush(self) -> None:
        payload: dict[str, Any] = {
            "lines": self._lines,
            "stream": self._stream,
            "offset": self._offset,
        }
        if self._dropped:
            payload["dropped"] = self._dropped
        self._tell("log", payload, self._bytes + 200)
        self._offset += len(self._lines)
        self._lines, self._bytes, self._dropped = [], 0, 0


class Capture:
    """Reads one stream of the script until its end, and copies it to ours."""

    def __init__(self, pipe: IO[bytes], copy_to: IO[bytes], chunks: LineChunks) -> None:
        self.chunks = chunks
        self._pipe, self._copy_to = pipe, copy_to
        self._thread = threading.Thread(target=self._run, name="eventrain-log", daemon=True)
        self._thread.start()

    def close(self, wait: float) -> None:
        """A grandchild may keep the pipe open: what it says later is not waited for."""
        self._thread.join(wait)
        if not self._thread.is_alive():
            self.chunks.close()

    def _run(self) -> None:
        with self._pipe:
            self._read(self._pipe.fileno())

    def _read(self, descriptor: int) -> None:
        while True:
            ready, _, _ = select.select([descriptor], [], [], FLUSH_AFTER)
            if not ready:
                self.chunks.flush_if_due()
                continue
            block = os.read(descriptor, 64 * 1024)
            if not block:
                return
            self._copy_to.write(block)
            self._copy_to.flush()
            self.chunks.feed(block)
