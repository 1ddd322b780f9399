"""Conditions in an object's status."""

from datetime import datetime
from typing import cast

from infra.local.cluster import moment
from infra.local.cluster.resource import Json


def find(status: Json, kind: str) -> Json | None:
    """The condition, if it is there and true."""
    conditions = cast(list[Json], status.get("conditions") or [])
    found = (each for each in conditions if each["type"] == kind and each["status"] == "True")
    return next(found, None)


def place(
    status: Json,
    kind: str,
    now: datetime,
    *,
    true: bool = True,
    reason: str = "",
    message: str = "",
) -> None:
    """Sets it; the time of the transition moves only when its truth does."""
    conditions = cast(list[Json], status.setdefault("conditions", []))
    value = "True" if true else "False"
    old = next((each for each in conditions if each["type"] == kind), None)
    same = old is not None and old["status"] == value
    since = old["lastTransitionTime"] if old and same else moment.write(now)
    new: Json = {"type": kind, "status": value, "lastProbeTime": None, "lastTransitionTime": since}
    if reason:
        new["reason"] = reason
    if message:
        new["message"] = message
    if old is None:
        conditions.append(new)
    else:
        conditions[conditions.index(old)] = new
