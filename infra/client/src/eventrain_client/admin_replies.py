"""Webhooks, the ledger, projects, tokens, and what only administrators see, as they are answered."""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict


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


class Quota(TypedDict):
    """None where there is no bound."""

    liveJobs: int | None
    gpus: int | None
    gpuHoursPerMonth: float | None


class Usage(TypedDict):
    liveJobs: int
    gpus: int
    gpuHours: float
    since: str


class Project(TypedDict):
    """`usage` is there when one is shown."""

    id: str
    name: str
    role: str | None
    quota: Quota
    createdBy: str | None
    createdAt: str | None
    usage: NotRequired[Usage]


class Member(TypedDict):
    user: str
    role: str
    addedBy: str
    addedAt: str


class TokenSecrets(TypedDict):
    """Shown once."""

    id: str
    subject: str
    token: str
    refreshToken: str | None
    expiresAt: str


class Token(TypedDict):
    id: str
    kind: str
    name: str
    subject: str
    projectId: str | None
    role: str | None
    refreshable: bool
    createdBy: str
    createdAt: str
    expiresAt: str
    revokedAt: str | None


class AuditEntry(TypedDict):
    """`outcome` is done, or the code of the refusal."""

    id: int
    at: str
    user: str
    tokenId: str | None
    projectId: str | None
    action: str
    target: str | None
    requestId: str
    outcome: str


class TokenPage(TypedDict):
    tokens: list[Token]
    nextCursor: str | None


class AuditPage(TypedDict):
    entries: list[AuditEntry]
    nextCursor: str | None
