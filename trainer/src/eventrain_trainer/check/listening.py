"""What can be told from what was heard. Each returns what it saw, or raises Broken."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from eventrain_trainer.check.row import Broken
from eventrain_trainer.mock import ControlPlane

MISSED = 3
SLACK = 1.0
"""For a machine that has more to do: a beat that is late by less is not held against a trainer."""


def beats(plane: ControlPlane) -> str:
    at = [each.at for each in plane.heard if each.what == "heartbeat"]
    if not at:
        raise Broken("was never heard: no heartbeat came")
    last = max(each.at for each in plane.heard if each.what in ("heartbeat", "done"))
    longest = max((after - before for before, after in pairwise([*at, last])), default=0.0)
    allowed = MISSED * plane.interval + SLACK
    if longest > allowed:
        raise Broken(f"was silent for {longest:.1f} s; it is to beat every {plane.interval:g} s")
    return f"{len(at)} beats, at most {longest:.1f} s apart"


def sequence(plane: ControlPlane) -> str:
    highest = -1
    said: dict[int, Mapping[str, Any]] = {}
    for beat in plane.heartbeats:
        number = beat["sequence"]
        if number in said and beat != said[number]:
            raise Broken(f"said sequence {number} twice, of different things")
        if number < highest and number not in said:
            raise Broken(f"said sequence {number} after {highest}")
        said[number], highest = beat, max(highest, number)
    if highest < 0:
        raise Broken("sent no heartbeat")
    return f"up to {highest}"


def metrics(plane: ControlPlane) -> str:
    told = Counter(point["name"] for point in plane.points)
    if not told:
        raise Broken("told no metric")
    return ", ".join(f"{name} ({count})" for name, count in told.most_common(4))


def progress(plane: ControlPlane) -> str:
    told = [beat["progress"] for beat in plane.heartbeats if beat.get("progress") is not None]
    if not told:
        raise Broken("never told how far it is")
    fallen = next((f"{b:.2f} after {a:.2f}" for a, b in pairwise(told) if b < a), "")
    if fallen:
        raise Broken(f"progress fell: {fallen}")
    if told[-1] < 1:
        raise Broken(f"ended at {told[-1]:.2f}")
    return f"from {told[0]:.2f} to 1"


def epochs(plane: ControlPlane) -> str:
    told = [beat["epoch"] for beat in plane.heartbeats if beat.get("epoch") is not None]
    if not told:
        raise Broken("never told an epoch")
    if fallen := next((f"{b} after {a}" for a, b in pairwise(told) if b < a), ""):
        raise Broken(f"told epoch {fallen}")
    totals = [beat["totalEpochs"] for beat in plane.heartbeats if beat.get("totalEpochs")]
    if totals and told[-1] < totals[-1]:
        raise Broken(f"ended at epoch {told[-1]} of {totals[-1]}")
    return f"up to {told[-1]}" + (f" of {totals[-1]}" if totals else "")


def checkpoints(plane: ControlPlane) -> str:
    told = [each for each in plane.heard if each.what == "event" and _is_checkpoint(each.body)]
    if refused := next((each for each in told if not each.taken), None):
        raise Broken(f"told a checkpoint that was refused with {refused.status}")
    if not told:
        raise Broken("saved no checkpoint")
    for each in told:
        stored_whole(plane, each.body["payload"])
    return f"{len(plane.checkpoints)}, the newest of epoch {plane.checkpoints[-1].get('epoch')}"


def artifacts(plane: ControlPlane) -> str:
    left: Sequence[Mapping[str, Any]] = plane.dones[-1].get("artifacts", []) if plane.dones else []
    if not left:
        raise Broken("left no artifact")
    for one in left:
        stored_whole(plane, one)
    return ", ".join(str(one["name"]) for one in left[:4])


def done(plane: ControlPlane) -> str:
    told = [each for each in plane.heard if each.what == "done"]
    if not told:
        raise Broken("never said how it ended")
    if len(told) > 1:
        raise Broken(f"said {len(told)} times how it ended, though it was answered the first time")
    if not told[0].taken:
        raise Broken(f"its done was refused with {told[0].status}")
    after = plane.heard[plane.heard.index(told[0]) + 1 :]
    if late := next((each for each in after if each.what in ("heartbeat", "event")), None):
        raise Broken(f"sent a {late.what} after its done")
    outcome = told[0].body["outcome"]
    if outcome != "succeeded":
        raise Broken(f"said {outcome}: {told[0].body.get('message')}")
    return "succeeded"


def ended_well(plane: ControlPlane) -> None:
    """For a run that was disturbed: the same end may have been told again."""
    outcomes = {str(told["outcome"]) for told in plane.dones}
    if not outcomes:
        raise Broken("never said how it ended")
    if outcomes != {"succeeded"}:
        raise Broken(f"said {', '.join(sorted(outcomes))}: {plane.dones[-1].get('message', '')}")


def stored_whole(plane: ControlPlane, told: Mapping[str, Any]) -> None:
    """Raises Broken unless what was told lies in the bucket as it was told."""
    name, key = told.get("name"), plane.store.key(str(told.get("uri")))
    if key not in plane.store.keys(key):
        raise Broken(f"told of {name}, which is not in the bucket")
    body = plane.store.read(key)
    if told.get("sha256") and hashlib.sha256(body).hexdigest() != told["sha256"]:
        raise Broken(f"the digest of {name} is not that of what it stored")
    if told.get("size") is not None and len(body) != told["size"]:
        raise Broken(f"{name} has {len(body)} bytes, not {told['size']}")


def same_points(plane: ControlPlane, undisturbed: ControlPlane) -> str:
    """All that a run without disturbance told, each once."""
    told, expected = _places(plane), _places(undisturbed)
    if lost := expected - told:
        (name, step), count = next(iter(lost.items()))
        raise Broken(f"{lost.total()} points were lost, as {name} at step {step} ({count})")
    if twice := told - expected:
        (name, step), _ = next(iter(twice.items()))
        raise Broken(f"{twice.total()} points were told twice, as {name} at step {step}")
    return f"{told.total()} points, each once"


def _places(plane: ControlPlane) -> "Counter[tuple[str, Any]]":
    return Counter((point["name"], point.get("step")) for point in plane.points)


def _is_checkpoint(body: Mapping[str, Any]) -> bool:
    return body.get("type") == "checkpoint_saved"
