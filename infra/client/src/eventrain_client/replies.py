"""The shapes of the answers' `data`. They are the JSON itself: what a newer server adds is kept."""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict

JsonObject = dict[str, Any]

TERMINAL = frozenset({"succeeded", "failed", "cancelled"})


class Source(TypedDict):
    """With an upload, it is not there yet."""

    uri: str
    digest: str
    upload: JsonObject | None


class Job(TypedDict):
    id: str
    status: str
    jobType: str
    modelId: NotRequired[str | None]
    datasetId: NotRequired[str | None]
    submittedAt: NotRequired[str | None]
    startedAt: NotRequired[str | None]
    completedAt: NotRequired[str | None]
    experimentUrl: NotRequired[str | None]
    useGpu: NotRequired[bool]
    resourceProfile: NotRequired[JsonObject | None]
    hyperparameters: NotRequired[JsonObject]
    trainJobSpec: NotRequired[JsonObject | None]
    trainer: NotRequired[JsonObject]
    outputModelName: NotRequired[str | None]
    outputModelVersion: NotRequired[str | None]
    outputModelStorageUri: NotRequired[str | None]
    outputModelEntryId: NotRequired[str | None]
    name: NotRequired[str | None]
    labels: NotRequired[dict[str, str] | None]
    projectId: NotRequired[str | None]
    submittedBy: NotRequired[str | None]
    queuedAt: NotRequired[str | None]
    progress: NotRequired[float | None]
    attempt: NotRequired[int | None]
    retryCount: NotRequired[int | None]
    maxRetries: NotRequired[int | None]
    statusReason: NotRequired[str | None]
    waitingFor: NotRequired[str | None]
    traceId: NotRequired[str | None]
    health: NotRequired[Any]
    observed: NotRequired[JsonObject | None]
    reported: NotRequired[JsonObject | None]


class JobPage(TypedDict):
    jobs: list[Job]
    nextCursor: str | None


class Point(TypedDict):
    name: str
    value: float | str
    step: float | None
    time: str | None
    attempt: int


class PointPage(TypedDict):
    points: list[Point]
    nextCursor: str | None


class LogLine(TypedDict):
    attempt: int
    stream: str
    offset: int
    text: str
    time: str | None


class PodLog(TypedDict):
    """The end of a pod's log; the address fetches it for an hour."""

    attempt: int
    uri: str
    url: str | None


class LogPage(TypedDict):
    lines: list[LogLine]
    podLogs: NotRequired[list[PodLog]]
    nextCursor: str | None


Change = TypedDict(
    "Change",
    {
        "sequence": int,
        "type": str,
        "source": NotRequired[str],
        "at": str,
        "attempt": NotRequired[int | None],
        "from": NotRequired[str | None],
        "to": NotRequired[str | None],
        "detail": NotRequired[Any],
    },
)
"""One row of a job's timeline: a change of state, or what its trainer told."""


class Validation(TypedDict):
    """The matrix has a row for each true class, a column for each that was guessed."""

    attempt: int
    at: str
    metrics: JsonObject
    epoch: NotRequired[int | None]
    step: NotRequired[int | None]
    labels: NotRequired[list[str] | None]
    confusionMatrix: NotRequired[list[list[float]] | None]
    perClass: NotRequired[dict[str, JsonObject] | None]


class Attempt(TypedDict):
    attempt: int
    createdAt: NotRequired[str]
    launchedAt: NotRequired[str | None]
    startedAt: NotRequired[str | None]
    endedAt: NotRequired[str | None]
    outcome: NotRequired[str | None]
    errorClass: NotRequired[str | None]
    exitCode: NotRequired[int | None]
    reason: NotRequired[str | None]
    rule: NotRequired[str | None]
    evidence: NotRequired[JsonObject | None]
    budgetLeft: NotRequired[int | None]
    logUri: NotRequired[str | None]
    logUrl: NotRequired[str | None]
    resumedFrom: NotRequired[JsonObject | None]


class Checkpoint(TypedDict):
    id: str
    attempt: int
    name: str
    uri: str
    url: str | None
    sha256: str
    size: int
    step: int | None
    epoch: int | None
    metrics: JsonObject | None
    createdAt: str


class Artifact(TypedDict):
    """The address fetches it for an hour."""

    name: str
    uri: str
    attempt: NotRequired[int]
    url: NotRequired[str | None]
    size: NotRequired[int | None]
    sha256: NotRequired[str | None]
    createdAt: NotRequired[str]


class Metric(TypedDict):
    id: str
    trainingJobId: str
    name: str
    value: float | str
    unit: str | None
    recordedAt: str


class GpuType(TypedDict):
    id: str
    label: str
    enabled: bool
    priority: int


class Framework(TypedDict):
    """`parameters` is the JSON schema of its hyperparameters."""

    name: str
    title: str
    description: str
    isDefault: bool
    jobTypes: list[str]
    cpu: bool
    gpu: bool
    usesGpu: bool
    datasetFormats: list[str]
    modelFormats: list[str]
    leaves: list[str]
    aliases: dict[str, str]
    defaults: JsonObject
    parameters: JsonObject
