"""The status of a pod, as a kubelet would write it."""

from collections.abc import Mapping
from datetime import datetime

from infra.local.cluster import condition, moment
from infra.local.cluster.process import Exit
from infra.local.cluster.resource import Json

LOOPBACK = "127.0.0.1"


def begin(status: Json, now: datetime) -> None:
    """The node has taken the pod over."""
    status.setdefault("startTime", moment.write(now))
    status["hostIP"] = LOOPBACK
    status["hostIPs"] = [{"ip": LOOPBACK}]
    condition.place(status, "Initialized", now)


def waiting(pod: Json, status: Json, reason: str, message: str, now: datetime) -> None:
    state: Json = {"reason": reason} | ({"message": message} if message else {})
    names = [container["name"] for container in pod["spec"]["containers"]]
    status["phase"] = "Pending"
    status["containerStatuses"] = [
        _container(each, {"waiting": state}, started=False) for each in pod["spec"]["containers"]
    ]
    _not_ready(status, now, f"containers with unready status: [{' '.join(names)}]")


def running(
    pod: Json,
    status: Json,
    started: Mapping[str, datetime],
    ended: Mapping[str, Exit],
    now: datetime,
) -> None:
    status["phase"] = "Running"
    status["podIP"] = LOOPBACK
    status["podIPs"] = [{"ip": LOOPBACK}]
    status["containerStatuses"] = _states(pod, started, ended)
    for kind in ("PodReadyToStartContainers", "ContainersReady", "Ready"):
        condition.place(status, kind, now)


def finished(
    pod: Json,
    status: Json,
    started: Mapping[str, datetime],
    ended: Mapping[str, Exit],
    now: datetime,
) -> None:
    failed = any(each.code for each in ended.values())
    status["phase"] = "Failed" if failed else "Succeeded"
    status["containerStatuses"] = _states(pod, started, ended)
    _not_ready(status, now, "", reason="PodFailed" if failed else "PodCompleted")
    condition.place(status, "PodReadyToStartContainers", now, true=False)


def failed(status: Json, reason: str, message: str, now: datetime) -> None:
    """The node ended the pod for a reason of its own."""
    status.update(phase="Failed", reason=reason, message=message)
    _not_ready(status, now, "", reason="PodFailed")


def disrupted(status: Json, reason: str, message: str, now: datetime) -> None:
    condition.place(status, "DisruptionTarget", now, reason=reason, message=message)


def _not_ready(
    status: Json, now: datetime, message: str, reason: str = "ContainersNotReady"
) -> None:
    for kind in ("ContainersReady", "Ready"):
        condition.place(status, kind, now, true=False, reason=reason, message=message)


def _states(pod: Json, started: Mapping[str, datetime], ended: Mapping[str, Exit]) -> list[Json]:
    states: list[Json] = []
    for container in pod["spec"]["containers"]:
        name = container["name"]
        at = started.get(name)
        if name in ended:
            states.append(
                _container(container, {"terminated": _end(ended[name], at)}, started=False)
            )
        elif at:
            state = {"running": {"startedAt": moment.write(at)}}
            states.append(_container(container, state, started=True))
    return states


def _end(ended: Exit, started: datetime | None) -> Json:
    state: Json = {
        "exitCode": ended.code,
        "reason": ended.reason,
        "startedAt": moment.write(started or ended.at),
        "finishedAt": moment.write(ended.at),
    }
    if ended.message:
        state["message"] = ended.message
    return state


def _container(container: Json, state: Json, *, started: bool) -> Json:
    return {
        "name": container["name"],
        "state": state,
        "lastState": {},
        "ready": started,
        "started": started,
        "restartCount": 0,
        "image": container["image"],
        "imageID": "",
    }
