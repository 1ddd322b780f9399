"""What a container wrote: stdout and stderr together."""

from collections.abc import Mapping
from pathlib import Path

from infra.local.cluster.pod_worker import container_process
from infra.local.cluster.resource import Json
from infra.local.cluster.status import bad_request

_BLOCK = 64 * 1024


def read_log(pods: Path, pod: Json, params: Mapping[str, str]) -> bytes:
    """Raises Refused (400) while the container has not started."""
    names = [container["name"] for container in pod["spec"]["containers"]]
    name, pod_name = params.get("container") or names[0], pod["metadata"]["name"]
    if name not in names:
        raise bad_request(f"container {name} is not valid for pod {pod_name}")
    path = container_process(pods / pod["metadata"]["uid"], name).log
    if not path.exists():
        _refuse_unstarted(pod, name)
        return b""
    lines, limit = _number(params, "tailLines"), _number(params, "limitBytes")
    if lines is not None:
        return tail(path, lines)[:limit]
    with path.open("rb") as file:
        return file.read() if limit is None else file.read(limit)


def tail(path: Path, lines: int) -> bytes:
    """The last lines, read from the end."""
    with path.open("rb") as file:
        place = file.seek(0, 2)
        found = b""
        while place and found.count(b"\n") <= lines:
            step = min(_BLOCK, place)
            place -= step
            file.seek(place)
            found = file.read(step) + found
    return b"".join(found.splitlines(keepends=True)[-lines:]) if lines else b""


def _refuse_unstarted(pod: Json, name: str) -> None:
    pod_name = pod["metadata"]["name"]
    states = pod["status"].get("containerStatuses") or []
    state = next((each["state"] for each in states if each["name"] == name), {})
    if not states or "waiting" in state:
        reason = state.get("waiting", {}).get("reason", "Pending")
        raise bad_request(f'container "{name}" in pod "{pod_name}" is waiting to start: {reason}')


def _number(params: Mapping[str, str], name: str) -> int | None:
    text = params.get(name, "")
    if not text:
        return None
    if not text.isdecimal():
        raise bad_request(f"{name}: {text!r} is no number")
    return int(text)
