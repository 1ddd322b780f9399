"""What MLflow takes for names and values, made of what trainers and people say."""

import hashlib
import posixpath
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

LONGEST_KEY = 250
LONGEST_PARAM = 6000
LONGEST_TAG = 8000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_OTHER = re.compile(r"[^\w/.\- ]")
_OTHER_IN_ALIAS = re.compile(r"[^A-Za-z0-9_-]")


def key(name: str) -> str:
    """A key that MLflow takes: the name itself where it can be one, else one like it that no other
    name becomes."""
    clean = _OTHER.sub("_", name)
    if not _is_path(clean):
        clean = clean.replace("/", "_").replace(".", "_")
    if clean == name and len(name) <= LONGEST_KEY:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{clean[: LONGEST_KEY - 9]}_{digest}"


def param(value: Any) -> str:
    """A parameter's value."""
    return text(value)[:LONGEST_PARAM]


def tag(value: Any) -> str:
    """A tag's value."""
    return text(value)[:LONGEST_TAG]


def text(value: Any) -> str:
    """Text as it is, all else as JSON; Postgres keeps no NUL."""
    said = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return said.replace("\0", "")


def pairs(values: Mapping[str, Any], say: Any) -> list[dict[str, str]]:
    """Keys and values as MLflow wants them."""
    return [{"key": key(name), "value": say(value)} for name, value in values.items()]


def milliseconds(instant: datetime) -> int:
    """The instant as MLflow counts."""
    return max((instant - _EPOCH) // _MILLISECOND, 0)


def step(told: float | None) -> int:
    return int(told or 0)


def model(name: str) -> str:
    """A registered model's name, in which MLflow takes neither of these."""
    return name.replace("/", "-").replace(":", "-")


def alias(version: str) -> str:
    """An alias for our version, which MLflow itself numbers: it takes no `v1` and no `latest`."""
    return f"version-{_OTHER_IN_ALIAS.sub('-', version)}"[:255]


def _is_path(name: str) -> bool:
    whole = posixpath.normpath(name) == name
    return whole and name != "." and not name.startswith(("..", "/"))
