"""One object into one file: in parts, several at a time, each from the byte where it broke off.

Of a file of any size a few blocks are held. An address that has run out is asked for anew; an
object that changes meanwhile is begun anew. A digest, where one is known, is always checked.
"""

import errno
import hashlib
import os
import re
import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import NamedTuple, TypeVar

from eventrain_trainer.addresses import Granted, TransferError
from eventrain_trainer.patience import Backoff, Patience
from eventrain_trainer.wire import Answer, Unreachable, Wire

PART = 16 * 1024 * 1024
AT_ONCE = 4
TRIES_REFUSED = 5
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG})
CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")

T = TypeVar("T")
Count = Callable[[int], None]
Take = Callable[[bytes], None]
Begin = Callable[[Answer], Take]


class DigestError(TransferError):
    """The bytes that came are not the bytes that were stored."""


class NoRoom(TransferError):
    """The disk takes no more."""


class Look(NamedTuple):
    """An object as the store showed it."""

    size: int
    etag: str


class _Changed(Exception):
    """The object is not the one of which the first part came."""


class _GivenUp(Exception):
    """Another part has failed for good."""


class _Refused(Exception):
    """The store answered, and the answer was no: mostly an address past its hour."""


class _Part(NamedTuple):
    start: int
    end: int


@dataclass
class Download:
    """`count` is told of each block that came; patience is renewed by it."""

    wire: Wire
    granted: Granted
    patience: Patience
    count: Count = lambda size: None
    part_size: int = PART

    def look(self) -> Look:
        """What is there. Raises TransferError."""
        return self._persist(self._look)

    def into(self, target: Path, sha256: str | None = None) -> None:
        """Raises DigestError, NoRoom, TransferError."""
        expected = sha256 or self.granted.sha256
        with target.open("wb") as file:
            self._persist(lambda: self._fetch(file.fileno()))
            file.flush()
            os.fsync(file.fileno())
        if expected and digest(target) != expected:
            raise DigestError(
                f"{self.granted.uri} is not what was stored there: its digest differs"
            )

    def _persist(self, attempt: Callable[[], T]) -> T:
        backoff, refusals = Backoff(0.5, 30.0), 0
        while True:
            url = self.granted.url
            try:
                return attempt()
            except Unreachable as error:
                reason, refused = str(error), False
            except (_Changed, _Refused) as error:
                reason, refused = str(error), True
            refusals += refused
            if refusals >= TRIES_REFUSED or not self.patience.pause(backoff.next()):
                raise TransferError(f"{self.granted.uri}: {reason}")
            if refused:
                self.renew(url)

    def renew(self, url: str) -> None:
        """A fresh address in the place of this one; the old one where nobody answers."""
        with suppress(Unreachable):
            self.granted.renew(url)

    def _look(self) -> Look:
        return _look_of(self.ask(_Part(0, 1), lambda answer: lambda block: None))

    def _fetch(self, descriptor: int) -> None:
        _resize(descriptor, 0)
        first = _First(descriptor, self.came)
        try:
            whole = _look_of(self.ask(_Part(0, self.part_size), first.begin))
        except Unreachable:
            if first.whole is None or first.written == 0:
                raise
            whole = first.whole
        if self.granted.size is not None and whole.size != self.granted.size:
            raise TransferError(
                f"{self.granted.uri} has {whole.size} bytes, not {self.granted.size}"
            )
        parts = deque(
            _Part(start, min(start + self.part_size, whole.size))
            for start in range(first.written, whole.size, self.part_size)
        )
        if parts:
            _resize(descriptor, whole.size)
            _Parts(self, descriptor, whole, parts).take()

    def ask(self, part: _Part, begin: Begin) -> Answer:
        """Raises Unreachable, _Refused, NoRoom."""
        headers = {"Range": f"bytes={part.start}-{part.end - 1}"}
        try:
            answer = self.wire.read(self.granted.url, headers, begin)
        except _Unwritten as error:
            raise _no_room(error.reason) from error
        if answer.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and part.start == 0:
            return Answer(HTTPStatus.OK, {"Content-Length": "0"})
        if answer.status in PASSING:
            raise Unreachable(f"S3 answered {answer.status}")
        if answer.status not in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
            raise _Refused(f"S3 answered {answer.status}")
        return answer

    def came(self, size: int) -> None:
        self.patience.renew()
        self.count(size)


class _Unwritten(Exception):
    """Not an OSError: those of the wire mean that nobody answered."""

    def __init__(self, reason: OSError) -> None:
        super().__init__(str(reason))
        self.reason = reason


@dataclass
class _First:
    """Takes the answer to the first request, which may be all of the object. `whole` once it is
    known that the rest can be asked for."""

    descriptor: int
    came: Count
    written: int = 0
    whole: Look | None = None

    def begin(self, answer: Answer) -> Take:
        self.written = 0
        if _is_part(answer):
            self.whole = _look_of(answer)
        return self._take

    def _take(self, block: bytes) -> None:
        _write(self.descriptor, block, self.written)
        self.written += len(block)
        self.came(len(block))


@dataclass
class _Parts:
    """The parts that are left, taken by a few threads."""

    download: Download
    descriptor: int
    whole: Look
    left: deque[_Part]
    failed: list[Exception] = field(default_factory=list[Exception])

    def take(self) -> None:
        count = min(AT_ONCE, len(self.left))
        threads = [
            threading.Thread(target=self._run, name=f"eventrain-part-{number}", daemon=True)
            for number in range(count)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self.failed:
            raise self.failed[0]

    def _run(self) -> None:
        try:
            while not self.failed:
                self._take(self.left.popleft())
        except (IndexError, _GivenUp):
            return
        except Exception as error:  # noqa: BLE001 the thread's boundary
            self.failed.append(error)

    def _take(self, part: _Part) -> None:
        """From the byte where it broke off, until it is whole."""
        backoff, refusals, at = Backoff(0.5, 30.0), 0, part.start
        while at < part.end:
            url, sink = self.download.granted.url, _Sink(self, at)
            try:
                self.download.ask(_Part(at, part.end), sink.begin)
                reason = "the body broke off"
            except (Unreachable, _Refused) as error:
                reason = str(error)
                refusals += isinstance(error, _Refused)
            if sink.at > at:
                at, refusals = sink.at, 0
                backoff.reset()
                continue
            self._wait(url, refusals, backoff, reason)

    def _wait(self, url: str, refusals: int, backoff: Backoff, reason: str) -> None:
        tired = refusals >= TRIES_REFUSED or not self.download.patience.pause(backoff.next())
        if tired or self.failed:
            raise TransferError(f"{self.download.granted.uri}: {reason}")
        if refusals:
            self.download.renew(url)


@dataclass
class _Sink:
    """Where the blocks of one answer go."""

    parts: _Parts
    at: int

    def begin(self, answer: Answer) -> Take:
        found = _look_of(answer)
        if not _is_part(answer) or found != self.parts.whole:
            raise _Changed("it was written to while it was fetched")
        return self._take

    def _take(self, block: bytes) -> None:
        if self.parts.failed:
            raise _GivenUp
        _write(self.parts.descriptor, block, self.at)
        self.at += len(block)
        self.parts.download.came(len(block))


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _resize(descriptor: int, size: int) -> None:
    try:
        os.ftruncate(descriptor, size)
    except OSError as error:
        raise _no_room(error) from error


def _write(descriptor: int, block: bytes, at: int) -> None:
    view = memoryview(block)
    try:
        while view:
            written = os.pwrite(descriptor, view, at)
            view, at = view[written:], at + written
    except OSError as error:
        raise _Unwritten(error) from error


def _no_room(reason: OSError) -> TransferError:
    kind = NoRoom if reason.errno in NO_ROOM else TransferError
    return kind(f"it could not be written: {os.strerror(reason.errno or 0)}")


def _is_part(answer: Answer) -> bool:
    """Some stores answer a range with 200, and say only in this header that it is one."""
    named = bool(_header(answer.headers, "content-range"))
    return named or answer.status == HTTPStatus.PARTIAL_CONTENT


def _look_of(answer: Answer) -> Look:
    """Raises Unreachable for an answer that does not say how much there is."""
    etag = _header(answer.headers, "etag")
    if _is_part(answer):
        ranged = CONTENT_RANGE.match(_header(answer.headers, "content-range"))
        if ranged is None:
            raise Unreachable("S3 did not say which part it sent")
        return Look(int(ranged[3]), etag)
    length = _header(answer.headers, "content-length")
    if not length.isdigit():
        raise Unreachable("S3 did not say how much there is")
    return Look(int(length), etag)


def _header(headers: Mapping[str, str], name: str) -> str:
    return next((value for key, value in headers.items() if key.lower() == name), "")
