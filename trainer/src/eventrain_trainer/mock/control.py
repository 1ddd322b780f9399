"""How a mock is told what to do over HTTP, and asked what it heard.

GET  /mock          how it stands, and the words that it understands
GET  /mock/heard    all that it heard
POST /mock          {"calls": "away", "uploads": "refused", "next": ["cut", "slow"],
                     "stop": "checkpoint_and_stop", "attempt": "next", "tokens": "renew"}
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from eventrain_trainer.mock.answer import Answer, Refusal, not_found
from eventrain_trainer.mock.fault import CALLS, UPLOADS

if TYPE_CHECKING:
    from eventrain_trainer.mock.plane import ControlPlane

PATH = "/mock"
COMMANDS = ("stop", "checkpoint_and_stop")


def answer(plane: "ControlPlane", method: str, path: str, body: bytes) -> Answer:
    try:
        if (method, path) == ("GET", f"{PATH}/heard"):
            return Answer.success([asdict(each) | {"token": ""} for each in list(plane.heard)])
        if path != PATH:
            raise not_found()
        if method == "POST":
            tell(plane, _wishes(body))
        return Answer.success(standing(plane))
    except Refusal as refusal:
        return refusal.answer


def tell(plane: "ControlPlane", wishes: Mapping[str, Any]) -> None:
    """Raises Refusal for what nobody understands; then nothing of it is done."""
    deeds = [(_deed(name, value), value) for name, value in wishes.items()]
    for deed, value in deeds:
        deed(plane, value)


def standing(plane: "ControlPlane") -> dict[str, Any]:
    return {
        "job": plane.job.view(),
        "command": plane.job.command,
        "calls": plane.calls.mode,
        "uploads": plane.uploads.mode,
        "heard": len(plane.heard),
        "checkpoints": len(plane.checkpoints),
        "points": len(plane.points),
        "words": {name: list(words) for name, (words, _) in WISHES.items()},
    }


def _calls(plane: "ControlPlane", mode: str) -> None:
    plane.calls.mode = mode
    plane.tell(f"{mode}: {CALLS[mode]}")


def _uploads(plane: "ControlPlane", mode: str) -> None:
    plane.uploads.mode = mode
    plane.tell(f"uploads {mode}: {UPLOADS[mode]}")


WISHES: dict[str, tuple[tuple[str, ...], Callable[["ControlPlane", Any], object]]] = {
    "calls": (tuple(CALLS), _calls),
    "uploads": (tuple(UPLOADS), _uploads),
    "next": (tuple(CALLS), lambda plane, kinds: plane.calls.line_up(kinds)),
    "stop": (COMMANDS, lambda plane, command: plane.ask_to_stop(command)),
    "attempt": (("next",), lambda plane, _: plane.next_attempt()),
    "tokens": (
        ("renew", "expire"),
        lambda plane, word: plane.renew() if word == "renew" else plane.expire_tokens(),
    ),
}


def _deed(name: str, value: Any) -> Callable[["ControlPlane", Any], object]:
    if name not in WISHES:
        raise Refusal.of_field(name, f"is none of {', '.join(WISHES)}")
    words, deed = WISHES[name]
    given: list[Any] = value if name == "next" and isinstance(value, list) else [value]
    if not all(one in words for one in given) or (name == "next" and given is not value):
        raise Refusal.of_field(name, f"must be of {', '.join(words)}")
    return deed


def _wishes(body: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise Refusal(400, "UNREADABLE", "The body is not a JSON object.")
    return found
