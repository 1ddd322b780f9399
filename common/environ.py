"""Reading environment variables: what is missing or unusable is collected, then told at once."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TypeVar, cast
from urllib.parse import urlsplit

Environ = Mapping[str, str]
T = TypeVar("T")

ENVIRONMENTS = ("dev", "stg", "prod")


class SettingsError(Exception):
    """Every setting that is missing or unusable, in one sentence."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = tuple(dict.fromkeys(problems))
        super().__init__("; ".join(self.problems))


class Reader:
    """Reads variables and remembers what was wrong, so that all of it is told at once."""

    def __init__(self, environ: Environ) -> None:
        self._environ = environ
        self.problems: list[str] = []

    def text(self, name: str, default: str | None = None) -> str:
        value = self._environ.get(name) or default
        if value is None:
            self.problems.append(f"{name} is not set")
        return value or ""

    def value(self, name: str, parse: Callable[[str], T], default: str | None = None) -> T:
        text = self.text(name, default)
        try:
            return parse(text) if text else cast("T", None)
        except ValueError as wrong:
            self.problems.append(f"{name} {wrong}")
            return cast("T", None)

    def finish(self) -> None:
        if self.problems:
            raise SettingsError(self.problems)


def postgres_url(text: str) -> str:
    if urlsplit(text).scheme not in {"postgres", "postgresql"}:
        raise ValueError("must begin with postgresql://")
    return text


def http_url(text: str) -> str:
    if urlsplit(text).scheme not in {"http", "https"}:
        raise ValueError("must begin with http:// or https://")
    return text.rstrip("/")


def positive(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise ValueError("must be a whole number of at least 1")
    return int(text)


def seconds(text: str) -> timedelta:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 86_400 * 365:
        raise ValueError("must be a number of seconds above 0")
    return timedelta(seconds=seconds)


def boolean(text: str) -> bool:
    if text.lower() not in {"true", "false"}:
        raise ValueError("must be true or false")
    return text.lower() == "true"


def environment(text: str) -> str:
    if text not in ENVIRONMENTS:
        raise ValueError("must be dev, stg or prod")
    return text
