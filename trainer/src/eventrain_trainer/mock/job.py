"""The one job of a mock: what state it is in, and what ends do to it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from eventrain_trainer.mock.answer import conflict, stale

TERMINAL = ("succeeded", "failed", "cancelled")
ID = "0b6f3c52-3a55-4e4c-9d1c-2f0f3a5d7c11"
PROJECT = "11111111-1111-4111-8111-111111111111"
TRAINER = {"framework": None, "image": None, "entrypoint": None, "args": [], "source": None}
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"


@dataclass
class Job:
    """Fenced by `attempt`: what an older one says is refused and changes nothing."""

    id: str = ID
    name: str = "rehearsal"
    attempt: int = 1
    status: str = "queued"
    max_retries: int = 3
    retries: int = 0
    cancelling: str = ""
    """The command that heartbeats are answered with once somebody asked to stop."""
    reason: str | None = None
    beat: dict[str, Any] = field(default_factory=dict[str, Any])
    ends: dict[int, str] = field(default_factory=dict[int, str])
    """What each attempt said its outcome was."""
    at: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def over(self) -> bool:
        return self.status in TERMINAL

    @property
    def command(self) -> str:
        return "stop" if self.over else self.cancelling or "continue"

    def check_attempt(self, attempt: int) -> None:
        """Raises Refusal for any but the present one."""
        if attempt != self.attempt:
            raise stale()

    def come_alive(self, now: float) -> None:
        if self.status in ("pending", "queued"):
            self.status = "running"
            self.at.setdefault("startedAt", _moment(now))

    def heard(self, beat: Mapping[str, Any]) -> None:
        if beat["sequence"] > self.beat.get("sequence", -1):
            self.beat = dict(beat)

    def end(self, attempt: int, told: Mapping[str, Any], now: float) -> bool:
        """False for the same end told again. Raises Refusal for another, or one that is late."""
        outcome = str(told["outcome"])
        if self.over or attempt != self.attempt:
            if self.ends.get(attempt) == outcome:
                return False
            self.check_attempt(attempt)
            raise conflict(f"The job is {self.status} already.")
        self.come_alive(now)
        self.ends[attempt] = outcome
        self.reason = told.get("message") or None
        if outcome == "succeeded":
            self._close("succeeded", now)
        elif self.cancelling:
            self._close("cancelled", now)
        elif told.get("errorClass") == "transient" and self.retries < self.max_retries:
            self.next_attempt()
        else:
            self._close("failed", now)
        return True

    def next_attempt(self) -> None:
        self.attempt += 1
        self.retries += 1
        self.status, self.cancelling = "pending", ""
        self.beat = {}

    def view(self) -> dict[str, Any]:
        """As the user API shows a job."""
        return {
            "id": self.id,
            "name": self.name,
            "labels": {},
            "projectId": PROJECT,
            "submittedBy": "you",
            "modelId": None,
            "datasetId": None,
            "jobType": "from_scratch",
            "status": self.status,
            "statusReason": self.reason,
            "waitingFor": None,
            "health": None if self.status != "running" else "alive",
            "progress": 1.0 if self.status == "succeeded" else self.beat.get("progress"),
            "submittedAt": "2026-01-01T12:00:00Z",
            "queuedAt": "2026-01-01T12:00:00Z",
            "startedAt": self.at.get("startedAt"),
            "completedAt": self.at.get("completedAt"),
            "attempt": self.attempt,
            "retryCount": self.retries,
            "maxRetries": self.max_retries,
            "useGpu": False,
            "resourceProfile": {},
            "hyperparameters": {},
            "trainJobSpec": None,
            "trainer": TRAINER,
            "experimentUrl": None,
            "outputModelName": self.name,
            "outputModelVersion": "1",
            "outputModelStorageUri": None,
            "outputModelEntryId": None,
            "traceId": TRACE_ID,
            "observed": None,
            "reported": self.beat or None,
        }

    def _close(self, status: str, now: float) -> None:
        self.status = status
        self.at["completedAt"] = _moment(now)


def _moment(now: float) -> str:
    return datetime.fromtimestamp(now, UTC).isoformat().replace("+00:00", "Z")
