"""What the environment says: a frozen dataclass a concern, read once and handed on."""

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Self, TypeVar, overload

from common.environ import (
    Environ,
    Reader,
    boolean,
    environment,
    http_url,
    positive,
    postgres_url,
    seconds,
)
from common.environ import SettingsError as SettingsError  # noqa: PLC0414 - callers find it here
from common.tokens.keyring import KeyRing

A = TypeVar("A", bound="Concern")
B = TypeVar("B", bound="Concern")
C = TypeVar("C", bound="Concern")
D = TypeVar("D", bound="Concern")
E = TypeVar("E", bound="Concern")
F = TypeVar("F", bound="Concern")
G = TypeVar("G", bound="Concern")


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
    application: str = "eventrain"

    @classmethod
    def read(cls, reader: Reader) -> Self:
        return cls(
            reader.value("DATABASE_URL", postgres_url),
            reader.value("DATABASE_POOL_SIZE", positive, "4"),
            reader.value("DATABASE_POOLED_BY_TRANSACTION", boolean, "false"),
            reader.text("FUNCTION_TARGET", "eventrain"),
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
        endpoint = reader.value("S3_ENDPOINT_URL", http_url)
        return cls(
            endpoint,
            reader.value("S3_PUBLIC_ENDPOINT_URL", http_url, endpoint or "http://unset"),
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
    """Where events are published; with a token file, whoever holds its token may."""

    url: str
    token_file: Path | None = None

    @classmethod
    def read(cls, reader: Reader) -> Self:
        file = reader.text("BROKER_TOKEN_FILE", "-")
        return cls(reader.value("BROKER_URL", http_url), None if file == "-" else Path(file))


@dataclass(frozen=True, slots=True)
class PublicUrl(Concern):
    """The address at which users reach the functions."""

    url: str

    @classmethod
    def read(cls, reader: Reader) -> Self:
        return cls(reader.value("PUBLIC_URL", http_url))


@dataclass(frozen=True, slots=True)
class Callbacks(Concern):
    """The address at which trainers reach the functions; it may name `{function}`."""

    template: str

    @classmethod
    def read(cls, reader: Reader) -> Self:
        return cls(reader.value("CALLBACK_URL", http_url))

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
class ReceiptKeys(Concern):
    ring: KeyRing = field(repr=False)

    @classmethod
    def read(cls, reader: Reader) -> Self:
        return cls(reader.value("RECEIPT_KEYS", KeyRing.parse))


@dataclass(frozen=True, slots=True)
class Beats(Concern):
    """How often a trainer is asked to show that it is alive."""

    interval: timedelta

    @classmethod
    def read(cls, reader: Reader) -> Self:
        return cls(reader.value("HEARTBEAT_INTERVAL_SECONDS", seconds, "10"))


@dataclass(frozen=True, slots=True)
class Streaming(Concern):
    """How long a stream of events lasts before its client has to come back."""

    lasting: timedelta

    @classmethod
    def read(cls, reader: Reader) -> Self:
        return cls(reader.value("LIVE_STREAM_SECONDS", seconds, "570"))


@dataclass(frozen=True, slots=True)
class Start(Concern):
    """How long a pod may be unable to start."""

    limit: timedelta

    @classmethod
    def read(cls, reader: Reader) -> Self:
        return cls(reader.value("START_LIMIT_SECONDS", seconds, "900"))


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
            reader.value("HEARTBEAT_INTERVAL_SECONDS", seconds, "10"),
            reader.value("STALL_AFTER_SECONDS", seconds, "600"),
            reader.value("CANCEL_GRACE_SECONDS", seconds, "60"),
            reader.value("START_LIMIT_SECONDS", seconds, "900"),
            reader.value("TRAINING_JOB_STATUS_SYNC_INTERVAL", seconds, "30"),
        )


@dataclass(frozen=True, slots=True)
class Cluster(Concern):
    """Where trainers run, and the queue in which they wait, if there is one; without a kubeconfig,
    the pod's service account speaks."""

    namespace: str
    kubeconfig: Path | None
    queue: str | None = None

    @classmethod
    def read(cls, reader: Reader) -> Self:
        kubeconfig = reader.text("KUBECONFIG", "-")
        return cls(
            reader.text("TRAINER_NAMESPACE"),
            None if kubeconfig == "-" else Path(kubeconfig),
            reader.value("TRAINER_QUEUE", str.strip, " ") or None,
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
        return cls(reader.value("ENVIRONMENT", environment))


@dataclass(frozen=True, slots=True)
class Tracking(Concern):
    """MLflow's address, where there is one."""

    url: str | None

    @classmethod
    def read(cls, reader: Reader) -> Self:
        return cls(reader.value("MLFLOW_TRACKING_URI", str.strip, " ") or None)
