"""What is asked about a job's history, and the pages that answer."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import Path, Query
from pydantic import Field
from typing_extensions import TypedDict

from common.body import Body, Id, Moment
from common.jobs import course, history

JobId = Annotated[Id, Path(alias="jobId")]
Limit = Annotated[int, Query(ge=1, le=1000)]
Cursor = Annotated[str | None, Query(max_length=1024)]
Names = Annotated[
    str | None, Query(max_length=4000, description="names of metrics, separated by commas")
]
Since = Annotated[Moment | None, Query(alias="from")]
Resolution = Annotated[
    int | None,
    Query(
        ge=1,
        le=86_400,
        description="of each metric at most so many points, its extremes and whatever is no number"
        " among them; more than 2,000 are only shown without it",
    ),
]
ToldBy = Annotated[
    Annotated[int, Field(ge=1, le=2**31 - 1)] | Literal["all"] | None,
    Query(
        description="all that this attempt told, or that `all` did; without it, what counts: not"
        " what a later attempt made anew from an earlier checkpoint"
    ),
]


class NewMetric(Body):
    name: str = Field(min_length=1, max_length=200)
    value: float | Literal["NaN", "Infinity", "-Infinity"]
    unit: str | None = Field(default=None, max_length=50)


class Timeline(TypedDict):
    timeline: list[history.Change]
    nextCursor: str | None


class Attempts(TypedDict):
    attempts: list[history.Attempt]
    nextCursor: str | None


class Points(TypedDict):
    points: list[course.Point]
    nextCursor: str | None


class Logs(TypedDict):
    """The lines that trainers sent, and the ends of pods' logs."""

    lines: list[history.LogLine]
    podLogs: list[history.PodLog]
    nextCursor: str | None


class Checkpoints(TypedDict):
    checkpoints: list[history.Checkpoint]
    nextCursor: str | None


class Validations(TypedDict):
    validations: list[history.Validation]
    nextCursor: str | None


class Artifacts(TypedDict):
    artifacts: list[history.Artifact]
    nextCursor: str | None


class Experiment(TypedDict):
    jobId: UUID
    metrics: list[history.Metric]
