"""Why a launched job does not run yet, in words that say what to do."""

from datetime import timedelta
from typing import NamedTuple

from common.sync.observe import SeenJob, SeenPod


class _Plight(NamedTuple):
    what: str
    advice: str


_IMAGE = _Plight(
    "its image cannot be pulled",
    "Check the image's name and tag, and that the cluster may pull it",
)
_CONTAINER = _Plight(
    "its container cannot be made",
    "Check the job's image, entrypoint, env and the Secrets that it names",
)
_ROOM = _Plight(
    "no node has room for it",
    "Wait until there is, or ask for less or for another GPU type",
)
_OF_IMAGES = frozenset(
    {"ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull"}
)


def waiting_for(job: SeenJob | None, pod: SeenPod | None, start_limit: timedelta) -> str | None:
    """What the job waits for; None for nothing that is seen. What Kubernetes says is kept, behind
    what it means and before what can be done."""
    if job is not None and job.suspended:
        return "its turn in the queue: it starts when the queue has quota for it"
    if pod is None or pod.bad is None:
        return pod.step if pod else None
    reason, message = pod.bad
    plight = _plight(reason)
    said = f"{reason}: {message}" if message else reason
    minutes = start_limit.total_seconds() / 60
    return f"{plight.what} ({said}). {plight.advice}. After {minutes:g} minutes of this it fails."


def _plight(reason: str) -> _Plight:
    if reason == "Unschedulable":
        return _ROOM
    return _IMAGE if reason in _OF_IMAGES else _CONTAINER
