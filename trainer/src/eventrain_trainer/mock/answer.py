"""What a callback is answered with: the one envelope, or a refusal in it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    @classmethod
    def success(cls, data: Any) -> "Answer":
        return cls(200, _envelope("success", "OK", data), JSON)


class Refusal(Exception):
    """Why a call was not obeyed, as the control plane spells it."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        details: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.details = {"errors": []} if details is None else details
        self.headers = headers or {}

    @classmethod
    def of_field(cls, path: str, reason: str) -> "Refusal":
        errors = [{"field": path, "reason": reason}]
        return cls(422, "INVALID", f"{path}: {reason}", {"errors": errors})

    @property
    def answer(self) -> Answer:
        body = _envelope("fail", self.message, {"code": self.code, **self.details})
        return Answer(self.status, body, {**JSON, **self.headers})


JSON = {"Content-Type": "application/json"}


def stale() -> Refusal:
    message = "A newer attempt of this job has taken over; stop."
    return Refusal(409, "STALE_ATTEMPT", message, {"command": "stop"})


def conflict(message: str) -> Refusal:
    return Refusal(409, "CONFLICT", message)


def not_found(message: str = "There is nothing at this path.") -> Refusal:
    return Refusal(404, "NOT_FOUND", message)


def unavailable() -> Refusal:
    message = "This is not available just now; try again."
    return Refusal(503, "UNAVAILABLE", message, headers={"Retry-After": "1"})


def broken() -> Refusal:
    return Refusal(500, "INTERNAL", "The server failed unexpectedly.")


def _envelope(status: str, message: str, data: Any) -> bytes:
    return json.dumps({"status": status, "message": message, "data": data}).encode()
