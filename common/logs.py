"""One JSON object a line on standard error, with what the context knows."""

import logging
import sys
from datetime import UTC, datetime
from typing import TextIO

import msgspec

from common import trace


def configure(function: str, level: str = "INFO", stream: TextIO | None = None) -> None:
    """Send every log record of this process to the stream, as JSON lines."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines(function))
    logging.root.handlers[:] = [handler]
    logging.root.setLevel(level)
    for chatty in ("httpx", "httpcore", "botocore", "urllib3"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


class JsonLines(logging.Formatter):
    def __init__(self, function: str) -> None:
        super().__init__()
        self._function = function

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "function": self._function,
            **_context(),
        }
        if record.exc_info and record.exc_info[0]:
            line["exception"] = self.formatException(record.exc_info)
        return _encode(line)


def _context() -> dict[str, str]:
    parent = trace.parent.get()
    known = {
        "request": trace.request_id.get(),
        "trace": parent.trace_id if parent else None,
        "job": trace.job_id.get(),
    }
    return {name: value for name, value in known.items() if value}


def _encode(line: dict[str, str]) -> str:
    try:
        return msgspec.json.encode(line).decode()
    except UnicodeEncodeError:
        clean = {name: value.encode("utf-8", "replace").decode() for name, value in line.items()}
        return msgspec.json.encode(clean).decode()
