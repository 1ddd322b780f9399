"""A wire whose answers a test writes down beforehand."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from eventrain_trainer.callbacks import Callbacks
from eventrain_trainer.job_token import Token
from eventrain_trainer.wire import Answer, Readable, Unreachable, Wire


def ok(data: Mapping[str, Any] | None = None) -> Answer:
    return envelope(200, data)


def envelope(status: int, data: Mapping[str, Any] | None = None, retry_after: str = "") -> Answer:
    word = "success" if status == 200 else "fail"
    body = {"status": word, "message": "", "data": data}
    headers = {"Retry-After": retry_after} if retry_after else {}
    return Answer(status, headers, json.dumps(body).encode())


@dataclass
class ScriptedWire(Wire):
    """Answers in order, then 200 for ever; an exception in the list is raised."""

    answers: Sequence[Answer | Unreachable] = ()
    sent: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    headers: list[Mapping[str, str]] = field(default_factory=list[Mapping[str, str]])
    before: Callable[[], None] = lambda: None

    def send(
        self,
        method: str,
        url: str,
        body: bytes | Readable | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        self.before()
        assert isinstance(body, bytes)
        self.sent.append(json.loads(body))
        self.headers.append(headers or {})
        turn = len(self.sent) - 1
        answer = self.answers[turn] if turn < len(self.answers) else ok()
        if isinstance(answer, Unreachable):
            raise answer
        return answer

    def callbacks(self, token: Token | None = None) -> Callbacks:
        return Callbacks(wire=self, token=token or Token("first"), source="/test")
