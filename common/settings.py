"""What the environment says: a frozen dataclass a concern, read once and handed on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Self, TypeVar, cast, overload
from urllib.parse import urlsplit

from common.tokens.keyring import KeyRing

Environ = Mapping[str, str]
T = TypeVar("T")
A = TypeVar("A", bound="Concern")
B = TypeVar("B", bound="Concern")
C = TypeVar("C", bound="Concern")
D = TypeVar("D", bound="Concern")
E = TypeVar("E", bound="Concern")
F = TypeVar("F", bound="Concern")
G = TypeVar("G", bound="Concern")


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


class Concern:
    """Settings that belong together."""

    @classmethod
    def read(cls, reader: Reader) -> Self:
        raise NotImplementedError

    @classmethod
    def from_environ(cls, environ: Environ) -> Self:
        """Raises SettingsError, which names all that is missing."""
        return load(environ, cls)[0]


@overload
def load(environ: Environ, a: type[A], /) -> tuple[A]: ...
@overload
def load(environ: Environ, a: type[A], b: type[B], /) -> tuple[A, B]: ...
@overload
def load(environ: Environ, a: type[A], b: type[B], c: type[C], /) -> tuple[A, B, C]: ...
@overload
def load(
    environ: Environ, a: type[A], b: type[B], c: type[C], d: type[D], /
) -> tuple[A, B, C, D]: ...
@overload
def load(
    environ: Environ, a: type[A], b: type[B], c: type[C], d: type[D], e: type[E], /
) -> tuple[A, B, C, D, E]: ...
@overload
def load(
    environ: Environ, a: type[A], b: type[B], c: type[C], d: type[D], e: type[E], f: type[F], /
) -> tuple[A, B, C, D, E, F]: ...
@overload
def load(
    environ: Environ,
    a: type[A],
    b: type[B],
    c: type[C],
    d: type[D],
    e: type[E],
    f: type[F],
    g: type[G],
    /,
) -> tuple[A, B, C, D, E, F, G]: ...
def load(environ: Environ, *concerns: type[Any]) -> tuple[Any, ...]:
    """One value for each concern, in order. Raises SettingsError, naming all that is wrong."""
    reader = Reader(environ)
    values = tuple(concern.read(reader) for concern in concerns)
    reader.finish()
    return values


@dataclass(frozen=True, slots=True)
class Database(Concern):
    url: str = field(repr=False)
    pool_size: int = 4
    pooled_by_transaction: bool = False

    @classmethod
    def read(cls, reader: Reader) -> Self:
        return cls(
            reader.value("DATABASE_URL", _postgres_url),
            reader.value("DATABASE_POOL_SIZE", _positive, "4"),
            reader.value("DATABASE_POOLED_BY_TRANSACTION", _boolean, "false"),
        )


@dataclass(frozen=True, slots=True)
class Storage(Concern):
    endpoint_url: str
    public_endpoint_url: str
    bucket: str
    region: str
    access_key_id: str = field(repr=False)
    secret_access_key: str = field(repr=False)

    @classmethod
    def read(cls, reader: Reader) -> Self:
        endpoint = reader.value("S3_ENDPOINT_URL", _http_url)
        return cls(
            endpoint,
            reader.value("S3_PUBLIC_ENDPOINT_URL", _http_url, endpoint or "http://unset"),
            reader.text("S3_BUCKET"),
            reader.text("S3_REGION", "us-east-1"),
            reader.text("AWS_ACCESS_KEY_ID"),
            reader.text("AWS_SECRET_ACCESS_KEY"),
        )


@dataclass(frozen=True, slots=True)
class Bucket(Concern):
    """The bucket's name alone, for those that only compare addresses."""

    name: str

    @classmethod
    def read(cls, reader: Reader) -> Self:
        return cls(reader.text("S3_BUCKET"))


@dataclass(frozen=True, slots=True)
class Broker(Concern):
    url: str

    @classmethod
    def read(cls, reader: Reader) -> Self:
        return cls(reader.value("BROKER_URL", _http_url))


@dataclass(frozen=True, slots=True)
class PublicUrl(Concern):
    """The address at which users reach the functions."""

    url: str

    @classmethod
    def read(cls, reader: Reader) -> Self:
        return cls(reader.value("PUBLIC_URL", _http_url))


@dataclass(frozen=True, slots=True)
class Callbacks(Concern):
    """The address at which trainers reach the functions; it may name `{function}`."""

    template: str

    @classmethod
    def read(cls, reader: Reader) -> Self:
        return cls(reader.value("CALLBACK_URL", _http_url))

    def url(self, function: str) -> str:
        return self.template.replace("{function}", function)


@dataclass(frozen=True, slots=True)
class JobKeys(Concern):
    ring: KeyRing = field(repr=False)

    @classmethod
    def read(cls, reader: Reader) -> Self:
        return cls(reader.value("JOB_TOKEN_KEYS", KeyRing.parse))


@dataclass(frozen=True, slots=True)
class UserKeys(Concern):
    ring: KeyRing = field(repr=False)

    @classmethod
    def read(cls, reader: Reader) -> Self:
        return cls(reader.value("USER_TOKEN_KEYS", KeyRing.parse))


@dataclass(frozen=True, slots=True)
class Beats(Concern):
    """How often a trainer is asked to show that it is alive."""

    interval: timedelta

    @classmethod
    def read(cls, reader: Reader) -> Self:
        return cls(reader.value("HEARTBEAT_INTERVAL_SECONDS", _seconds, "10"))


@dataclass(frozen=True, slots=True)
class Timing(Concern):
    """All that status-sync goes by."""

    heartbeat_interval: timedelta
    stall_after: timedelta
    cancel_grace: timedelta
    start_limit: timedelta
    sync_interval: timedelta

    @classmethod
    def read(cls, reader: Reader) -> Self:
        return cls(
            reader.value("HEARTBEAT_INTERVAL_SECONDS", _seconds, "10"),
            reader.value("STALL_AFTER_SECONDS", _seconds, "600"),
            reader.value("CANCEL_GRACE_SECONDS", _seconds, "60"),
            reader.value("START_LIMIT_SECONDS", _seconds, "900"),
            reader.value("TRAINING_JOB_STATUS_SYNC_INTERVAL", _seconds, "30"),
        )


@dataclass(frozen=True, slots=True)
class Cluster(Concern):
    """Where trainers run; without a kubeconfig, the pod's service account speaks."""

    namespace: str
    kubeconfig: Path | None

    @classmethod
    def read(cls, reader: Reader) -> Self:
        kubeconfig = reader.text("KUBECONFIG", "-")
        return cls(
            reader.text("TRAINER_NAMESPACE"), None if kubeconfig == "-" else Path(kubeconfig)
        )


@dataclass(frozen=True, slots=True)
class Config(Concern):
    """The folder of gpu-types.yaml, trainers.yaml and retry-rules.yaml."""

    folder: Path

    @classmethod
    def read(cls, reader: Reader) -> Self:
        return cls(Path(reader.text("CONFIG_DIR", "/etc/eventrain")))


@dataclass(frozen=True, slots=True)
class Environment(Concern):
    name: str

    @classmethod
    def read(cls, reader: Reader) -> Self:
        return cls(reader.value("ENVIRONMENT", _environment))


@dataclass(frozen=True, slots=True)
class Tracking(Concern):
    """MLflow's address, where there is one."""

    url: str | None

    @classmethod
    def read(cls, reader: Reader) -> Self:
        return cls(reader.value("MLFLOW_TRACKING_URI", str.strip, " ") or None)


def _postgres_url(text: str) -> str:
    if urlsplit(text).scheme not in {"postgres", "postgresql"}:
        raise ValueError("must begin with postgresql://")
    return text


def _http_url(text: str) -> str:
    if urlsplit(text).scheme not in {"http", "https"}:
        raise ValueError("must begin with http:// or https://")
    return text.rstrip("/")


def _positive(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise ValueError("must be a whole number of at least 1")
    return int(text)


def _seconds(text: str) -> timedelta:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 86_400 * 365:
        raise ValueError("must be a number of seconds above 0")
    return timedelta(seconds=seconds)


def _boolean(text: str) -> bool:
    if text.lower() not in {"true", "false"}:
        raise ValueError("must be true or false")
    return text.lower() == "true"


def _environment(text: str) -> str:
    if text not in {"dev", "stg", "prod"}:
        raise ValueError("must be dev, stg or prod")
    return text
