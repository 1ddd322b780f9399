"""What a trainer finds in its environment, read once and frozen."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

REQUIRED = ("JOB_ID", "ATTEMPT", "HEARTBEAT_URL", "EVENT_URL", "DONE_URL", "ADDRESSES_URL")


class SettingsError(Exception):
    """The environment of this job is not complete."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint that an earlier attempt uploaded whole, with the digest it must have."""

    uri: str
    sha256: str
    size: int
    step: int | None = None
    epoch: int | None = None
    attempt: int | None = None


@dataclass(frozen=True, slots=True)
class Code:
    """The user's own program: an archive in S3 with its digest, or a commit in git."""

    uri: str
    digest: str = ""


@dataclass(frozen=True, slots=True)
class TrainerConfig:
    """TRAINER_CONFIG: what the submitter asked for."""

    job_type: str = ""
    framework: str = ""
    hyperparameters: Mapping[str, Any] = field(default_factory=dict[str, Any])
    output: Mapping[str, Any] = field(default_factory=dict[str, Any])
    checkpoint: Checkpoint | None = None
    args: tuple[str, ...] = ()
    entrypoint: str = ""
    source: Code | None = None

    @classmethod
    def from_json(cls, text: str) -> "TrainerConfig":
        try:
            found: Any = json.loads(text or "{}")
        except ValueError as error:
            raise SettingsError(f"TRAINER_CONFIG is not JSON: {error}") from error
        if not isinstance(found, dict):
            raise SettingsError("TRAINER_CONFIG is not a JSON object")
        given: dict[str, Any] = found
        return cls(
            job_type=str(given.get("jobType") or ""),
            framework=str(given.get("framework") or ""),
            hyperparameters=_spec_hyperparameters(given) | (given.get("hyperparameters") or {}),
            output=dict(given.get("output") or {}),
            checkpoint=_checkpoint(given.get("checkpoint")),
            args=tuple(str(arg) for arg in given.get("args") or ()),
            entrypoint=str(given.get("entrypoint") or ""),
            source=_code(given.get("source")),
        )


@dataclass(frozen=True, slots=True)
class Settings:
    """One attempt of one job, as its pod sees it. Secrets are not printed."""

    job_id: str
    attempt: int
    heartbeat_url: str
    event_url: str
    done_url: str
    addresses_url: str
    work_dir: Path
    config: TrainerConfig
    token: str = field(default="", repr=False)
    token_file: Path | None = None
    result_put_url: str = field(default="", repr=False)
    trace_id: str = ""
    traceparent: str = ""
    dataset_uri: str = ""
    model_uri: str = ""
    framework: str = ""
    total_epochs: int | None = None
    rank: int = 0
    interval: float = 10.0
    request_timeout: float = 10.0
    done_wait: float = 60.0
    upload_wait: float = 600.0
    grace: float = 60.0
    spool_bytes: int = 8 * 1024 * 1024
    cache_dir: Path | None = None
    cache_bytes: int = 50 * 1024**3

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "Settings":
        """All that is missing or unreadable is named in one SettingsError."""
        wrong = [name for name in REQUIRED if not environ.get(name)]
        wrong += [name for name in NUMBERS if not _is_number(environ.get(name, "0"))]
        if environ.get("ATTEMPT") and not _is_count(environ["ATTEMPT"]):
            wrong.append("ATTEMPT")
        if wrong:
            raise SettingsError(f"missing or unreadable in the environment: {', '.join(wrong)}")
        token_file = environ.get("CALLBACK_TOKEN_FILE")
        config = TrainerConfig.from_json(environ.get("TRAINER_CONFIG", ""))
        return cls(
            job_id=environ["JOB_ID"],
            attempt=int(environ["ATTEMPT"]),
            heartbeat_url=environ["HEARTBEAT_URL"],
            event_url=environ["EVENT_URL"],
            done_url=environ["DONE_URL"],
            addresses_url=environ["ADDRESSES_URL"],
            work_dir=Path(environ.get("WORK_DIR") or "."),
            config=config,
            token=environ.get("CALLBACK_TOKEN", ""),
            token_file=Path(token_file) if token_file else None,
            result_put_url=environ.get("RESULT_PUT_URL", ""),
            trace_id=environ.get("TRACE_ID", ""),
            traceparent=environ.get("TRACEPARENT", ""),
            dataset_uri=environ.get("DATASET_URI", ""),
            model_uri=environ.get("MODEL_URI", ""),
            framework=environ.get("TRAINER_FRAMEWORK") or config.framework,
            total_epochs=total_epochs(environ),
            rank=rank(environ),
            **{name: float(environ[key]) for key, name in NUMBERS.items() if environ.get(key)},
            cache_dir=Path(environ["DATA_CACHE_DIR"]) if environ.get("DATA_CACHE_DIR") else None,
            **_bytes(environ, "SPOOL_BYTES", "spool_bytes"),
            **_bytes(environ, "DATA_CACHE_BYTES", "cache_bytes"),
        )


NUMBERS = {
    "HEARTBEAT_INTERVAL_SECONDS": "interval",
    "CALLBACK_TIMEOUT_SECONDS": "request_timeout",
    "DONE_WAIT_SECONDS": "done_wait",
    "UPLOAD_WAIT_SECONDS": "upload_wait",
    "TERMINATION_GRACE_SECONDS": "grace",
}


def in_a_job(environ: Mapping[str, str]) -> bool:
    return bool(environ.get("JOB_ID") and environ.get("HEARTBEAT_URL"))


def rank(environ: Mapping[str, str]) -> int:
    """This process's place among those that train together; only 0 speaks for the job."""
    for name in ("RANK", "LOCAL_RANK"):
        if _is_count(environ.get(name, "")):
            return int(environ[name])
    return 0


def total_epochs(environ: Mapping[str, str]) -> int | None:
    return int(environ["EPOCHS"]) if _is_count(environ.get("EPOCHS", "")) else None


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _is_number(text: str) -> bool:
    try:
        return float(text or 0) >= 0
    except ValueError:
        return False


def _bytes(environ: Mapping[str, str], name: str, field: str) -> dict[str, int]:
    given = environ.get(name, "")
    return {field: int(given)} if _is_count(given) else {}


def _spec_hyperparameters(given: Mapping[str, Any]) -> dict[str, Any]:
    """Of a trainJobSpec: its hyperparameters, and the method, which decides about them."""
    spec: Mapping[str, Any] = given.get("trainJobSpec") or {}
    method = {"method": spec["method"]} if spec.get("method") else {}
    return {**method, **(spec.get("hyperparams") or {})}


def _code(found: Any) -> Code | None:
    if not isinstance(found, dict):
        return None
    given: dict[str, Any] = found
    return Code(str(given.get("uri") or ""), str(given.get("digest") or ""))


def _checkpoint(found: Any) -> Checkpoint | None:
    if not isinstance(found, dict):
        return None
    given: dict[str, Any] = found
    if not given.get("uri") or not given.get("sha256"):
        return None
    return Checkpoint(
        uri=str(given["uri"]),
        sha256=str(given["sha256"]),
        size=int(given.get("size") or 0),
        step=given.get("step"),
        epoch=given.get("epoch"),
        attempt=given.get("attempt"),
    )
