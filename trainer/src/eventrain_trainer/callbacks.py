"""The callback API, one try a call: what an answer means is decided here and nowhere else."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from http import HTTPStatus
from typing import Any

from eventrain_trainer.job_token import Token
from eventrain_trainer.patience import with_breaks
from eventrain_trainer.wire import Answer, Unreachable, Wire

STALE = "STALE_ATTEMPT"
PASSING = frozenset({401, 403, 404, 408, 421, 425, 429})
EVENT_TYPE = "dev.eventrain.trainer.reported.v1"


class Verdict(Enum):
    OK = "ok"
    LATER = "later"
    """Nobody there, or not now: the same body is sent again."""
    REFUSED = "refused"
    """This body will never be taken."""
    STALE = "stale"
    """A newer attempt runs: nothing is sent any more."""


@dataclass(frozen=True, slots=True)
class Reply:
    verdict: Verdict
    data: Mapping[str, Any] = field(default_factory=dict[str, Any])
    message: str = ""
    retry_after: float | None = None


class Callbacks:
    """Posts to the control plane with the newest token; silent for good once it was stale."""

    def __init__(self, *, wire: Wire, token: Token, source: str, traceparent: str = "") -> None:
        self._wire = wire
        self._token = token
        self._source = source
        self._traceparent = traceparent
        self.stale = False

    def post(self, url: str, body: Mapping[str, Any], *, event_id: str | None = None) -> Reply:
        """With an event id it is a CloudEvent, so that a repeat is known as one."""
        if self.stale:
            return Reply(Verdict.STALE)
        try:
            answer = self._send(url, _encode(body), event_id)
        except Unreachable as error:
            return Reply(Verdict.LATER, message=str(error))
        reply = judge(answer)
        self.stale = self.stale or reply.verdict is Verdict.STALE
        fresh = reply.data.get("token")
        if reply.verdict is Verdict.OK and isinstance(fresh, str) and fresh:
            self._token.adopt(fresh)
        return reply

    def _send(self, url: str, body: bytes, event_id: str | None) -> Answer:
        held = self._token.value
        answer = self._wire.send("POST", url, body, self._headers(held, event_id))
        if answer.status != HTTPStatus.UNAUTHORIZED:
            return answer
        mounted = self._token.mounted()
        if mounted is None or mounted == held:
            return answer
        answer = self._wire.send("POST", url, body, self._headers(mounted, event_id))
        if answer.status != HTTPStatus.UNAUTHORIZED:
            self._token.adopt(mounted)
        return answer

    def _headers(self, token: str, event_id: str | None) -> dict[str, str]:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        if self._traceparent:
            headers["traceparent"] = self._traceparent
        if event_id is not None:
            headers |= {
                "ce-specversion": "1.0",
                "ce-id": event_id,
                "ce-source": self._source,
                "ce-type": EVENT_TYPE,
            }
        return headers


def _encode(body: Mapping[str, Any]) -> bytes:
    """JSON, the points of a beat a few at a time."""
    points = [json.dumps(point, allow_nan=False) for point in with_breaks(body.get("points", ()))]
    rest = {name: value for name, value in body.items() if name != "points"}
    text = json.dumps(rest, allow_nan=False)
    return (f'{text[:-1]}, "points": [{", ".join(points)}]}}' if points else text).encode()


def judge(answer: Answer) -> Reply:
    """An answer that is not the control plane's envelope counts as nobody there."""
    envelope = _envelope(answer.body)
    found = envelope.get("data")
    data: dict[str, Any] = found if isinstance(found, dict) else {}
    message = f"{answer.status} {envelope.get('message') or ''}".strip()
    if answer.status == HTTPStatus.OK:
        verdict = Verdict.OK if envelope.get("status") == "success" else Verdict.LATER
    elif answer.status == HTTPStatus.CONFLICT and data.get("code") == STALE:
        verdict = Verdict.STALE
    elif 400 <= answer.status < 500 and answer.status not in PASSING and envelope:
        verdict = Verdict.REFUSED
    else:
        verdict = Verdict.LATER
    return Reply(verdict, data, message, _retry_after(answer.headers))


def _envelope(body: bytes) -> dict[str, Any]:
    try:
        found: Any = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _retry_after(headers: Mapping[str, str]) -> float | None:
    for name, value in headers.items():
        if name.lower() == "retry-after" and value.strip().isdigit():
            return float(value)
    return None
