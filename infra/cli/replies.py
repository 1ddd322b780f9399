"""The shapes of the answers' `data`, as far as the command line reads them.

They are the JSON itself: what a newer server adds is kept and printed by `--json`.
"""

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
    resourceProfile: NotRequired[JsonObject | None]
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


class Change(TypedDict):
    """One row of a job's timeline."""

    sequence: int
    type: str
    at: str
    attempt: NotRequired[int | None]
    detail: NotRequired[Any]


class Attempt(TypedDict):
    attempt: int
    startedAt: NotRequired[str | None]
    endedAt: NotRequired[str | None]
    outcome: NotRequired[str | None]
    errorClass: NotRequired[str | None]
    exitCode: NotRequired[int | None]
    reason: NotRequired[str | None]
    rule: NotRequired[str | None]
    evidence: NotRequired[JsonObject | None]
    budgetLeft: NotRequired[int | None]
    logUrl: NotRequired[str | None]


class Artifact(TypedDict):
    name: str
    uri: str
    url: NotRequired[str | None]
    size: NotRequired[int | None]
    sha256: NotRequired[str | None]


class GpuType(TypedDict):
    id: str
    label: str
    enabled: bool
    priority: int


class Model(TypedDict):
    id: str
    name: str
    version: str
    type: str
    status: str
    owner_team: NotRequired[str | None]
    metadata: NotRequired[JsonObject | None]
    storage_uri: NotRequired[str | None]
    model_family: NotRequired[str | None]
    lineage_dataset_ids: NotRequired[list[str] | None]
    evaluation_summary: NotRequired[JsonObject | None]


class Dataset(TypedDict):
    id: str
    name: str
    version: str
    type: NotRequired[str | None]
    storage_uri: NotRequired[str | None]
    owner_team: NotRequired[str | None]
    created_at: NotRequired[str | None]


class Failure(TypedDict):
    destination: str | None
    code: int | None
    said: str | None


class DeadLetter(TypedDict):
    """`attributes` and `data` are there when one is shown."""

    id: str
    eventId: str
    type: str
    source: str
    subject: str | None
    projectId: str | None
    receivedAt: str
    replayedAt: str | None
    failure: Failure
    key: NotRequired[str]
    attributes: NotRequired[dict[str, str]]
    data: NotRequired[Any]


class DeadLetterPage(TypedDict):
    deadLetters: list[DeadLetter]
    nextCursor: str | None


class Expired(TypedDict):
    """What of a kind is older than so many days."""

    kind: str
    days: float
    rows: int
    objects: int
    bytes: int | None
    more: bool


class Webhook(TypedDict):
    """`secret` is there when it is created, and never again."""

    id: str
    projectId: str
    url: str
    events: list[str]
    createdBy: str
    createdAt: str
    secret: NotRequired[str]


class WebhookSecret(TypedDict):
    secret: str
    formerUntil: str


class Try(TypedDict):
    at: str
    code: int | None
    seconds: float
    error: str | None


class Delivery(TypedDict):
    id: str
    webhookId: str | None
    jobId: str | None
    event: str
    to: str
    state: str
    tries: int
    nextTryAt: str | None
    createdAt: str
    finishedAt: str | None
    log: list[Try]


class DeliveryPage(TypedDict):
    deliveries: list[Delivery]
    nextCursor: str | None


class LedgerEntry(TypedDict):
    """Hours by what became of them."""

    key: str
    name: str | None
    jobs: int
    gpuHours: dict[str, float]
    cpuHours: dict[str, float]
    cost: dict[str, float]
    unpricedHours: float


class Ledger(TypedDict):
    ledger: list[LedgerEntry]
    groupBy: str
    currency: str
    nextCursor: str | None
