"""What a tick may decide: each a value that says what, about whom, and why."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from common.jobs.retry import Evidence
from common.sync.observe import Key, Row, SeenJob, SeenPod


@dataclass(frozen=True)
class Alive:
    """A running pod, which is a first sign of life."""

    row: Row


@dataclass(frozen=True)
class Ended:
    """The pod is over and nobody said how. `final` once it was given its time to do so."""

    row: Row
    evidence: Evidence
    reason: str
    pod: SeenPod | None
    final: bool


@dataclass(frozen=True)
class Exceeded:
    """A declared limit was passed."""

    row: Row
    evidence: Evidence
    reason: str


@dataclass(frozen=True)
class Stalled:
    """Alive without progress, or silent, since then."""

    row: Row
    since: datetime
    silent: bool


@dataclass(frozen=True)
class Gone:
    """A cancelled job has nothing left that runs, or its grace is over."""

    row: Row
    reason: str


@dataclass(frozen=True)
class Suspect:
    """An attempt whose Job is not in the listing: worth asking for by name."""

    row: Row


@dataclass(frozen=True)
class Note:
    """What changed in what is kept beside the state."""

    row: Row
    observed: dict[str, Any] | None
    waiting_for: str | None
    first_bad_at: datetime | None
    missing_since: datetime | None
    stalled_at: datetime | None


@dataclass(frozen=True)
class StopPod:
    """A pod of a cancelled job, to be ended with its grace."""

    pod: SeenPod


@dataclass(frozen=True)
class DeleteJob:
    """A Job that must not run."""

    job: SeenJob


@dataclass(frozen=True)
class SetTtl:
    """A Job whose evidence is safe."""

    job: SeenJob


@dataclass(frozen=True)
class Settle:
    """An attempt that is over, whose log is to be kept where there is a pod to have one."""

    key: Key
    pod: SeenPod | None


@dataclass(frozen=True)
class Reissue:
    """An attempt whose Secret needs a fresh token, or is missing."""

    row: Row
    job: SeenJob


@dataclass(frozen=True)
class Alert:
    """Too much is absent at once: the listing is not believed, and nothing is changed by it."""

    absent: int
    expected: int


Decision = (
    Alive | Ended | Exceeded | Stalled | Gone | Suspect | Note | StopPod | DeleteJob | SetTtl
    | Settle | Reissue | Alert
)  # fmt: skip
