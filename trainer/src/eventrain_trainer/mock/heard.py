"""What a mock heard, and how a person reads it."""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LONGEST = 100
OWN = re.compile(r"^jobs/[^/]+/\d+/")


@dataclass(frozen=True, slots=True)
class Heard:
    """One request as it arrived, and what it was answered: 0 where it got no answer."""

    at: float
    what: str
    """heartbeat, event, addresses, done; put, get, post or delete of the bucket; told for news."""
    attempt: int
    status: int
    body: Mapping[str, Any]
    event_id: str = ""
    token: str = ""
    repeat: bool = False

    @property
    def taken(self) -> bool:
        return self.status == 200

    def line(self) -> str:
        clock = time.strftime("%H:%M:%S", time.localtime(self.at))
        told = _shorten(TELL.get(self.what, _anything)(self.body))
        fate = "" if self.status in (200, 204, 206) else f"  → {self.status or 'no answer'}"
        again = "  (a repeat)" if self.repeat else ""
        return f"{clock}  {self.attempt}  {self.what:<10} {told}{again}{fate}".rstrip()


def _heartbeat(body: Mapping[str, Any]) -> str:
    said = [f"#{body.get('sequence')}"]
    for name, total in (("epoch", "totalEpochs"), ("step", "totalSteps")):
        if body.get(name) is not None:
            said.append(f"{name} {body[name]}" + (f"/{body[total]}" if body.get(total) else ""))
    if body.get("progress") is not None:
        said.append(f"{body['progress']:.0%}")
    said += [f"{name} {_number(value)}" for name, value in (body.get("metrics") or {}).items()]
    if points := len(body.get("points") or []):
        said.append(f"+{points} points")
    return "  ".join(said)


def _event(body: Mapping[str, Any]) -> str:
    payload = body.get("payload") or {}
    if body.get("type") == "log":
        return "\n".join(f"| {line}" for line in payload.get("lines", ()))
    if body.get("type") == "checkpoint_saved":
        payload = {name: payload.get(name) for name in ("name", "epoch", "step", "size")}
    told = " ".join(
        f"{name}={_number(value)}" for name, value in payload.items() if value is not None
    )
    return f"{body.get('type')}  {told}"


def _done(body: Mapping[str, Any]) -> str:
    said = [str(body.get("outcome"))]
    said += [str(body[name]) for name in ("errorClass", "message") if body.get(name)]
    if body.get("exitCode") is not None:
        said.append(f"exit {body['exitCode']}")
    said.append(f"{len(body.get('artifacts') or ())} artifacts")
    return "  ".join(said)


def _addresses(body: Mapping[str, Any]) -> str:
    puts = [str(put.get("name")) for put in body.get("puts") or ()]
    return "  ".join(
        [*(f"put {name}" for name in puts), *(f"get {g}" for g in body.get("gets") or ())]
    )


def _object(body: Mapping[str, Any]) -> str:
    """The key, without what it shares with all of the attempt's."""
    return OWN.sub("", str(body.get("key")))


def _anything(body: Mapping[str, Any]) -> str:
    return "  ".join(str(value) for value in body.values())


def _number(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _shorten(text: str) -> str:
    """Each line by itself, so that a log stays one."""
    lines = [
        line if len(line) <= LONGEST else line[: LONGEST - 1] + "…" for line in text.split("\n")
    ]
    return ("\n" + " " * 23).join(lines)


TELL = {
    "heartbeat": _heartbeat,
    "event": _event,
    "done": _done,
    "addresses": _addresses,
    "put": _object,
    "get": _object,
    "post": _object,
    "delete": _object,
}
