"""How a trainer says that it is done, and asks for addresses before that."""

from typing import Annotated, Any, Literal

import msgspec

from common.errors import Invalid, Violation
from common.jobs.ending import Ending
from common.jobs.retry import Evidence
from common.storage import address, grants

Whole = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=512)]
Figure = float | Literal["NaN", "Infinity", "-Infinity"]


class Artifact(msgspec.Struct, omit_defaults=True):
    """A file that the attempt uploaded."""

    name: Name
    uri: str
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")] | None = None
    size: Whole | None = None


class Done(msgspec.Struct, rename="camel", omit_defaults=True):
    """The end of an attempt, in the trainer's words."""

    outcome: Literal["succeeded", "failed"]
    error_class: Literal["transient", "permanent", "user"] | None = None
    exit_code: Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31 - 1)] | None = None
    message: Annotated[str, msgspec.Meta(max_length=10_000)] | None = None
    mlflow_run_id: Annotated[str, msgspec.Meta(max_length=200)] | None = None
    metrics: Annotated[dict[Name, Figure], msgspec.Meta(max_length=1000)] = {}
    artifacts: Annotated[list[Artifact], msgspec.Meta(max_length=1000)] = []


class Put(msgspec.Struct, rename="camel"):
    """An object that the trainer wants to write."""

    name: Name
    size: Annotated[int, msgspec.Meta(ge=0, le=grants.LARGEST_OBJECT)]
    upload_id: Annotated[str, msgspec.Meta(min_length=1, max_length=1024)] | None = None
    sha256: str | None = None


class Addresses(msgspec.Struct, rename="camel"):
    """What the trainer wants to write and to read."""

    puts: Annotated[list[Put], msgspec.Meta(max_length=100)] = []
    gets: Annotated[list[Name], msgspec.Meta(max_length=100)] = []


class Granted(msgspec.Struct, rename="camel"):
    """Presigned addresses, in the order of the questions."""

    prefix: str
    expires_in_seconds: int
    puts: list[dict[str, Any]]
    gets: list[dict[str, Any]]


def to_ending(done: Done, *, job_id: Any, attempt: int, prefix: str) -> Ending:
    """The end as the state machine takes it. Raises Invalid for artifacts that lie outside the
    attempt's own `prefix`."""
    wrong = [
        Violation(f"artifacts.{index}.uri", f"must lie below {prefix}")
        for index, artifact in enumerate(done.artifacts)
        if not _is_below(artifact.uri, prefix)
    ]
    if wrong:
        raise Invalid(wrong)
    told = msgspec.to_builtins(done)
    return Ending(
        job_id=job_id,
        attempt=attempt,
        outcome=done.outcome,
        evidence=Evidence(done.error_class, done.exit_code, message=done.message),
        message=done.message,
        artifacts=told.get("artifacts", []),
        done=told | {"outcome": done.outcome},
    )


def _is_below(uri: str, prefix: str) -> bool:
    try:
        return str(address.parse(uri)).startswith(prefix)
    except address.BadAddress:
        return False
