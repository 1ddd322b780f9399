"""What a heartbeat says."""

from typing import Annotated, Literal

import msgspec

from common.jobs.beat import Command

Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Figure = float | Literal["NaN", "Infinity", "-Infinity"]
Amount = Annotated[int, msgspec.Meta(ge=0, le=2**53)] | Annotated[float, msgspec.Meta(ge=0)]
Reading = float | str | bool | list[float | str] | None


class Point(msgspec.Struct, rename="camel", omit_defaults=True):
    """One value of a metric, at a step of the training."""

    name: Name
    value: Figure
    step: Count | None = None
    time: str | None = None


class Heartbeat(msgspec.Struct, rename="camel", omit_defaults=True):
    """One beat: how far the training is, and what has been measured since the last."""

    sequence: Count
    epoch: Amount | None = None
    total_epochs: Amount | None = None
    step: Count | None = None
    total_steps: Count | None = None
    progress: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    metrics: Annotated[dict[Name, Figure], msgspec.Meta(max_length=1000)] = {}
    resources: Annotated[dict[Name, Reading], msgspec.Meta(max_length=100)] = {}
    points: Annotated[list[Point], msgspec.Meta(max_length=1000)] = []
    trace_id: str | None = msgspec.field(default=None, name="trace_id")
    message: Annotated[str, msgspec.Meta(max_length=10_000)] | None = None

    def marker(self) -> str:
        """Changes when the training has moved on; empty where nothing tells."""
        if self.step is None and self.epoch is None and self.progress is None:
            return ""
        return f"{self.epoch}/{self.step}/{self.progress}"


class Answer(msgspec.Struct, rename="camel", omit_defaults=True):
    """What the trainer is to do, when to beat next, and a fresh token when it is time."""

    command: Command
    interval_seconds: float
    token: str | None = None


def encode(beat: Heartbeat) -> str:
    """The beat as history keeps it."""
    return msgspec.json.encode(beat).decode()
