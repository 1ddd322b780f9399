"""What a Run speaks to: the session itself, the runner that has it, or the screen."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from eventrain_trainer.metric import Point

Source = Literal["dataset", "model", "checkpoint"]


@dataclass(frozen=True, slots=True)
class End:
    """How the training ended, as far as it knows itself. No outcome: the exit decides."""

    outcome: str = ""
    message: str = ""
    error_class: str = ""
    exit_code: int | None = None
    metrics: Mapping[str, float] = field(default_factory=dict[str, float])
    mlflow_run_id: str = ""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Saved:
    """A checkpoint on disk, to be uploaded as long as its size and time of writing are these."""

    path: Path
    name: str
    written: tuple[int, int] = (0, 0)
    kept: bool = False
    """Whether the path is ours, to be removed afterwards."""
    step: int | None = None
    epoch: int | None = None
    metrics: Mapping[str, float] = field(default_factory=dict[str, float])


@dataclass(frozen=True, slots=True)
class Resumed:
    """A checkpoint of an earlier attempt, whole and verified."""

    path: Path
    step: int | None
    epoch: int | None


class Port(Protocol):
    @property
    def stop(self) -> str:
        """The command to stop, or nothing."""
        ...

    def observe(self, latest: Mapping[str, Any], points: Sequence[Point]) -> None: ...

    def event(self, kind: str, payload: Mapping[str, Any]) -> None: ...

    def checkpoint(self, saved: Saved) -> None: ...

    def artifact(self, path: Path, name: str) -> None: ...

    def fetch(self, source: Source) -> Path | None:
        """Waits until it is here; None where the job has none. Raises TransferError."""
        ...

    def finish(self, end: End) -> None:
        """Waits, within its bounds, until what was saved is stored."""
        ...

    def close(self) -> None: ...
