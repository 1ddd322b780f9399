"""What a call or a command can fail with. Exit codes are told in `exit_codes.py`.

EventrainError
├── CommandFault          this installation or a file of the user is not as it must be
│   └── UsageFault        the command was typed in a way that cannot be carried out
├── Unreachable           nobody answered, or nobody was ready to
├── Refused               answered 4xx: the request is at fault, field by field
└── ServerFault           answered 5xx, or not as Eventrain answers
"""

from __future__ import annotations

from dataclasses import dataclass


class EventrainError(Exception):
    """The message is one sentence for a person; `advice` is what to do next."""

    def __init__(self, message: str, *, advice: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice


class CommandFault(EventrainError):
    pass


class UsageFault(CommandFault):
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
    """`violations` holds every broken rule of a 422, one a field."""

    def __init__(
        self,
        message: str,
        *,
        status: int,
        code: str | None = None,
        violations: tuple[Violation, ...] = (),
        request_id: str | None = None,
        advice: str = "",
    ) -> None:
        super().__init__(message, advice=advice)
        self.status = status
        self.code = code
        self.violations = violations
        self.request_id = request_id


class ServerFault(EventrainError):
    def __init__(self, message: str, *, status: int, request_id: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.request_id = request_id
