"""What an exit most likely means. The control plane's own rules have the last word.

| exit | class |
|---|---|
| killed by SIGKILL (most often: out of memory), SIGTERM, SIGINT, SIGHUP, SIGBUS | transient |
| killed by another signal (SIGSEGV, SIGABRT, SIGILL, SIGFPE) | permanent |
| 126, 127: the command cannot be run | permanent |
| last exception: out of memory, connection, time-out, broken pipe, NCCL | transient |
| last exception: any other, and any other exit code | user |
"""

import re
import signal
from collections.abc import Iterable
from dataclasses import dataclass

TRANSIENT_SIGNALS = frozenset(
    {signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGBUS}
)
TRANSIENT_ERROR = re.compile(
    r"^(\w+\.)*(MemoryError|_?ArrayMemoryError|OutOfMemoryError|Connection\w*Error|BrokenPipeError"
    r"|TimeoutError|ConnectTimeout|ReadTimeout|URLError|RemoteDisconnected|IncompleteRead"
    r"|TransferError|DigestError|DistNetworkError|DistStoreError|NCCL\w*)\b"
)
TRANSIENT_TEXT = re.compile(
    r"CUDA out of memory|CUDA error: out of memory|NCCL (error|timeout)|Connection reset by peer"
    r"|No space left on device|Cannot allocate memory"
)
ERROR_LINE = re.compile(r"^((\w+\.)*_?[A-Z]\w*)(: .*)?$")
CANNOT_RUN = (126, 127)


@dataclass(frozen=True, slots=True)
class Ending:
    outcome: str
    error_class: str = ""
    exit_code: int | None = None
    message: str = ""


def classify_exit(code: int, last_lines: Iterable[str]) -> Ending:
    """`code` as Popen gives it: negative for a signal."""
    lines = [line for line in last_lines if line.strip()]
    if code == 0:
        return Ending("succeeded", exit_code=0)
    number = -code if code < 0 else code - 128
    if code < 0 or number in TRANSIENT_SIGNALS:
        return _killed(number, lines)
    if code in CANNOT_RUN:
        return Ending("failed", "permanent", code, _message("the command cannot be run", lines))
    error = _last_error(lines)
    transient = TRANSIENT_ERROR.match(error) or TRANSIENT_TEXT.search("\n".join(lines[-5:]))
    reason = error or f"exit code {code}"
    return Ending("failed", "transient" if transient else "user", code, _message(reason, lines))


def classify_error(error: BaseException) -> str:
    """The class of an exception, by its own name and those it descends from."""
    names = [kind.__name__ for kind in type(error).__mro__]
    if any(TRANSIENT_ERROR.match(name) for name in names) or TRANSIENT_TEXT.search(str(error)):
        return "transient"
    return "user"


def exit_status(code: int) -> int:
    """As a shell would say it: a signal is 128 and its number."""
    return 128 - code if code < 0 else code


def _killed(number: int, lines: list[str]) -> Ending:
    known = number in set(signal.Signals)
    name = signal.Signals(number).name if known else f"signal {number}"
    reason = f"killed by {name}"
    if number == signal.SIGKILL:
        reason += ", most often because memory ran out"
    error_class = "transient" if number in TRANSIENT_SIGNALS else "permanent"
    return Ending("failed", error_class, 128 + number, _message(reason, lines))


def _last_error(lines: list[str]) -> str:
    """The last line that looks like the end of a traceback."""
    return next((line for line in reversed(lines) if ERROR_LINE.match(line)), "")


def _message(reason: str, lines: list[str]) -> str:
    tail = "\n".join(lines[-10:])
    return f"{reason}\n{tail}" if tail else reason
