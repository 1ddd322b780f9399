"""What listings show of our Jobs and pods. A page is megabytes of which little matters: only that
is read, and of it only what decisions are made on is kept."""

from collections.abc import AsyncIterable, Iterable, Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from common.launch.cluster import Page
from common.sync.observe import Key, SeenJob, SeenPod

# What keeps a container from starting until somebody does something about it.
BAD_WAITS = frozenset(
    {
        "ImagePullBackOff",
        "ErrImagePull",
        "InvalidImageName",
        "ErrImageNeverPull",
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
    }
)
CREATING = "ContainerCreating"


class Labels(msgspec.Struct, rename="kebab", gc=False):
    job_id: str | None = None
    attempt: str | None = None


class Metadata(msgspec.Struct, rename="camel", gc=False):
    name: str
    uid: str
    labels: Labels | None = None
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None


class Condition(msgspec.Struct, rename="camel", gc=False):
    type: str
    status: str = ""
    reason: str | None = None
    message: str | None = None
    last_transition_time: str | None = None


class JobSpec(msgspec.Struct, rename="camel", gc=False):
    ttl_seconds_after_finished: int | None = None
    suspend: bool | None = None


class JobStatus(msgspec.Struct, gc=False):
    conditions: list[Condition] | None = None


class Job(msgspec.Struct, gc=False):
    """A Job as far as it matters here."""

    metadata: Metadata
    spec: JobSpec = msgspec.field(default_factory=JobSpec)
    status: JobStatus = msgspec.field(default_factory=JobStatus)


class Running(msgspec.Struct, gc=False):
    pass


class Waiting(msgspec.Struct, gc=False):
    reason: str | None = None
    message: str | None = None


class Terminated(msgspec.Struct, rename="camel", gc=False):
    exit_code: int | None = None
    reason: str | None = None
    message: str | None = None
    finished_at: str | None = None


class State(msgspec.Struct, gc=False):
    running: Running | None = None
    waiting: Waiting | None = None
    terminated: Terminated | None = None


class Container(msgspec.Struct, gc=False):
    state: State = msgspec.field(default_factory=State)


class PodSpec(msgspec.Struct, rename="camel", gc=False):
    node_name: str | None = None


class PodStatus(msgspec.Struct, rename="camel", gc=False):
    phase: str = "Pending"
    reason: str | None = None
    message: str | None = None
    start_time: str | None = None
    conditions: list[Condition] | None = None
    container_statuses: list[Container] | None = None


class Pod(msgspec.Struct, gc=False):
    """A pod as far as it matters here."""

    metadata: Metadata
    spec: PodSpec = msgspec.field(default_factory=PodSpec)
    status: PodStatus = msgspec.field(default_factory=PodStatus)


async def see_jobs(pages: AsyncIterable[Sequence[Job]]) -> dict[Key, SeenJob]:
    """The Jobs of a listing by attempt; what carries other labels is not ours."""
    found: dict[Key, SeenJob] = {}
    async for page in pages:
        for job in page:
            key = _key(job.metadata)
            if key is not None:
                found[key] = see_job(key, job)
    return found


async def see_pods(pages: AsyncIterable[Sequence[Pod]]) -> dict[Key, SeenPod]:
    """The newest pod of each attempt in a listing."""
    found: dict[Key, SeenPod] = {}
    async for page in pages:
        for pod in page:
            key = _key(pod.metadata)
            if key is not None:
                found[key] = _newer(found.get(key), see_pod(key, pod))
    return found


def see_job(key: Key, job: Job) -> SeenJob:
    """One Job, as decisions need it."""
    conditions = {c.type: c for c in _true(job.status.conditions)}
    end = conditions.get("Complete") or conditions.get("Failed")
    suspended = conditions.get("Suspended")
    return SeenJob(
        key=key,
        name=job.metadata.name,
        uid=job.metadata.uid,
        finished=end.type if end else None,
        finished_at=_instant(end.last_transition_time) if end else None,
        reason=end.reason if end else None,
        message=_line(end.message) if end else None,
        ttl=job.spec.ttl_seconds_after_finished,
        deleting=job.metadata.deletion_timestamp is not None,
        suspended=bool(job.spec.suspend),
        suspended_at=_instant(suspended.last_transition_time) if suspended else None,
    )


def see_pod(key: Key, pod: Pod) -> SeenPod:
    """One pod, as decisions need it."""
    status, state = pod.status, _state(pod.status)
    waiting, terminated = state.waiting or _NO_WAIT, state.terminated or _NO_END
    lacks = _lacks_secret(key, waiting)
    return SeenPod(
        key=key,
        name=pod.metadata.name,
        uid=pod.metadata.uid,
        phase=status.phase,
        created=pod.metadata.creation_timestamp or "",
        running=state.running is not None,
        ended_at=_instant(terminated.finished_at) or _last_change(status),
        exit_code=terminated.exit_code,
        reasons=tuple(_reasons(status, terminated)),
        message=_line(status.message or terminated.message),
        node=pod.spec.node_name,
        deleting=pod.metadata.deletion_timestamp is not None,
        bad=None if lacks else _bad(status, waiting),
        creating=lacks or waiting.reason == CREATING,
        step=_line(waiting.message) if waiting.reason == CREATING else None,
    )


def _key(metadata: Metadata) -> Key | None:
    labels = metadata.labels
    if labels is None or labels.job_id is None or labels.attempt is None:
        return None
    try:
        return Key(UUID(labels.job_id), int(labels.attempt))
    except ValueError:
        return None


def _newer(one: SeenPod | None, other: SeenPod) -> SeenPod:
    if one is None or (not one.ended, one.created) < (not other.ended, other.created):
        return other
    return one


def _state(status: PodStatus) -> State:
    return status.container_statuses[0].state if status.container_statuses else _NO_STATE


def _lacks_secret(key: Key, waiting: Waiting) -> bool:
    if waiting.reason != "CreateContainerConfigError":
        return False
    return f"train-{key.job_id}-{key.attempt}" in str(waiting.message)


def _reasons(status: PodStatus, terminated: Terminated) -> Iterable[str]:
    if status.reason:
        yield status.reason
    for condition in _true(status.conditions):
        if condition.type == "DisruptionTarget" and condition.reason:
            yield condition.reason
    if terminated.reason and terminated.reason not in ("Completed", "Error"):
        yield terminated.reason


def _bad(status: PodStatus, waiting: Waiting) -> tuple[str, str] | None:
    if waiting.reason in BAD_WAITS:
        return waiting.reason, _line(waiting.message) or ""
    for condition in status.conditions or ():
        if condition.type == "PodScheduled" and condition.reason == "Unschedulable":
            return "Unschedulable", _line(condition.message) or ""
    return None


def _true(conditions: Sequence[Condition] | None) -> list[Condition]:
    return [c for c in conditions or () if c.status == "True"]


def _last_change(status: PodStatus) -> datetime | None:
    """When a pod without a container's end, an evicted one for example, last changed."""
    if status.phase not in ("Succeeded", "Failed"):
        return None
    changes = [_instant(c.last_transition_time) for c in status.conditions or ()]
    known = [change for change in changes if change]
    return max(known, default=_instant(status.start_time))


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _line(text: str | None) -> str | None:
    """A trainer's last words are among these: they may hold what no column can."""
    return " ".join(text.replace("\0", "?").split())[:500] if text else None


_NO_STATE, _NO_WAIT, _NO_END = State(), Waiting(), Terminated()

read_jobs = msgspec.json.Decoder(Page[Job]).decode
read_pods = msgspec.json.Decoder(Page[Pod]).decode
