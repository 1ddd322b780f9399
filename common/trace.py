"""Who asked, and as part of what: carried in context variables and in headers."""

import re
import secrets
from contextvars import ContextVar
from functools import lru_cache
from itertools import count
from typing import NamedTuple

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
parent: ContextVar["TraceParent | None"] = ContextVar("parent", default=None)
job_id: ContextVar[str | None] = ContextVar("job_id", default=None)


class TraceParent(NamedTuple):
    """A position in a trace, as W3C Trace Context writes it."""

    trace_id: str
    span_id: str
    flags: str = "01"

    def __str__(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-{self.flags}"

    def child(self) -> "TraceParent":
        """A new position below this one, in the same trace."""
        return TraceParent(self.trace_id, secrets.token_hex(8), self.flags)


def start() -> TraceParent:
    """The first position of a new trace."""
    return TraceParent(secrets.token_hex(16), secrets.token_hex(8))


def parse(header: str | None) -> TraceParent | None:
    """What a traceparent header says, or None where it says nothing valid."""
    return _read(header) if header and len(header) == _LENGTH else None


def accept(header: str | None) -> TraceParent:
    """The caller's position in its trace, or a new trace where it named none that is valid."""
    return parse(header) or start()


def accept_request_id(header: str | None) -> str:
    """The caller's request id where it is fit to be logged and echoed, or a new one."""
    if header and _REQUEST_ID.fullmatch(header):
        return header
    return f"{_PROCESS}-{next(_REQUESTS):x}"


# A trainer says the same with each of its heartbeats.
@lru_cache(maxsize=4096)
def _read(header: str) -> TraceParent | None:
    found = _TRACEPARENT.fullmatch(header)
    return TraceParent(*found.groups()) if found else None


_LENGTH = len("00--01-") + 32 + 16
_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})"
)
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")
_PROCESS = secrets.token_hex(8)
_REQUESTS = count(1)
