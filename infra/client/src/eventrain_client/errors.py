"""What a call can fail with.

EventrainError
├── LocalFault            a file or a setting on this machine is not as it must be
│   └── FolderFault       a folder that cannot be brought
├── Unreachable           nobody answered, or nobody was ready to
├── Refused               answered 4xx: the request is at fault, field by field
├── ServerFault           answered 5xx, or not as Eventrain answers
└── NotEnded              a job that was waited for goes on
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from eventrain_client.replies import Job


class EventrainError(Exception):
    """The message is one sentence for a person; `advice` is what to do next."""

    def __init__(self, message: str, *, advice: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice


class LocalFault(EventrainError):
    pass


class FolderFault(LocalFault):
    pass


class Unreachable(EventrainError):
    """`answered` when somebody is there and was not ready for this."""

    def __init__(self, message: str, *, answered: bool = False) -> None:
        super().__init__(message)
        self.answered = answered


@dataclass(frozen=True, slots=True)
class Violation:
    field: str
    reason: str


class Refused(EventrainError):
    """`status` is HTTP's, `code` says which refusal it is, `violations` holds every broken rule of a
    422. With `retry_after` it may be asked again after so many seconds."""

    def __init__(
        self,
        message: str,
        *,
        status: int,
        code: str | None = None,
        violations: tuple[Violation, ...] = (),
        request_id: str | None = None,
        retry_after: float | None = None,
        advice: str = "",
    ) -> None:
        super().__init__(message, advice=advice)
        self.status = status
        self.code = code
        self.violations = violations
        self.request_id = request_id
        self.retry_after = retry_after

    @property
    def fields(self) -> dict[str, str]:
        """The reason by field."""
        return {each.field: each.reason for each in self.violations}


class ServerFault(EventrainError):
    def __init__(self, message: str, *, status: int, request_id: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.request_id = request_id


class NotEnded(EventrainError):
    """`job` is how it was when patience ended."""

    def __init__(self, message: str, *, job: Job) -> None:
        super().__init__(message)
        self.job = job
