"""What there is: our rows, and what Kubernetes shows. Read in that order, each of one moment."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from common.jobs.state import Status
from common.launch.cluster import Json
from common.launch.plan import LONGEST_DURATION
from common.postgres import Queryable, statement

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


class Key(NamedTuple):
    """An attempt of a job."""

    job_id: UUID
    attempt: int


@dataclass(frozen=True)
class Row:
    """The present attempt of a live job, as our rows have it. `tells` says that its trainer
    reports how far it is."""

    key: Key
    status: Status
    max_duration: timedelta
    stall_policy: str
    cancel_requested_at: datetime | None = None
    run_started_at: datetime | None = None
    ran_seconds: float = 0.0
    stalled_at: datetime | None = None
    launched_at: datetime | None = None
    first_bad_at: datetime | None = None
    missing_since: datetime | None = None
    token_issued_at: datetime | None = None
    last_seen: datetime | None = None
    progressed_at: datetime | None = None
    tells: bool = False
    trace_id: str = ""
    observed: dict[str, Any] | None = None
    waiting_for: str | None = None


@dataclass(frozen=True)
class Past:
    """An attempt that our live rows do not name: over, or too new to be among them. One that we
    know nothing of is `known` to nobody."""

    known: bool = False
    live: bool = False
    ended_at: datetime | None = None
    settled_at: datetime | None = None
    told: bool = False


@dataclass(frozen=True)
class SeenJob:
    """A Kubernetes Job of ours."""

    key: Key
    name: str
    uid: str
    finished: str | None = None
    finished_at: datetime | None = None
    reason: str | None = None
    message: str | None = None
    ttl: int | None = None
    deleting: bool = False
    suspended: bool = False
    suspended_at: datetime | None = None


@dataclass(frozen=True)
class SeenPod:
    """A pod of ours. `bad` is what keeps it from starting, and what is said of that; `creating`
    that it waits for its volumes, one of which is its Secret."""

    key: Key
    name: str
    uid: str
    phase: str
    created: str = ""
    running: bool = False
    ended_at: datetime | None = None
    exit_code: int | None = None
    reasons: tuple[str, ...] = ()
    message: str | None = None
    node: str | None = None
    deleting: bool = False
    bad: tuple[str, str] | None = None
    creating: bool = False

    @property
    def ended(self) -> bool:
        return self.phase in ("Succeeded", "Failed")


async def read_rows(connection: Queryable) -> list[Row]:
    """Every live job."""
    return [_row(row) for row in await connection.fetch(statement("read_live_jobs"))]


async def read_pasts(connection: Queryable, strays: Iterable[Key]) -> dict[Key, Past]:
    """What became of these attempts, and of all that ended and are not settled."""
    keys = sorted(strays)
    rows = await connection.fetch(
        statement("read_pasts"), [key.job_id for key in keys], [key.attempt for key in keys]
    )
    found = {Key(row["job_id"], row["attempt"]): _past(row) for row in rows}
    return {key: Past() for key in keys} | found


def see_jobs(items: Iterable[Json]) -> dict[Key, SeenJob]:
    """The Jobs of a listing by attempt; what carries other labels is not ours."""
    seen = (_job(key, item) for item in items if (key := _key(item)))
    return {job.key: job for job in seen}


def see_pods(items: Iterable[Json]) -> dict[Key, SeenPod]:
    """The newest pod of each attempt in a listing."""
    found: dict[Key, SeenPod] = {}
    for item in items:
        key = _key(item)
        if key is not None:
            pod = see_pod(key, item)
            found[key] = max(found.get(key, pod), pod, key=lambda p: (not p.ended, p.created))
    return found


def see_pod(key: Key, item: Json) -> SeenPod:
    """One pod, as far as it matters here."""
    metadata, status = item["metadata"], item.get("status") or {}
    state = _container(status)
    terminated = state.get("terminated") or {}
    waiting = state.get("waiting") or {}
    secret = f"train-{key.job_id}-{key.attempt}"
    lacks = waiting.get("reason") == "CreateContainerConfigError" and secret in str(
        waiting.get("message")
    )
    return SeenPod(
        key=key,
        name=metadata["name"],
        uid=metadata["uid"],
        phase=status.get("phase") or "Pending",
        created=metadata.get("creationTimestamp") or "",
        running="running" in state,
        ended_at=_instant(terminated.get("finishedAt")) or _last_change(status),
        exit_code=terminated.get("exitCode"),
        reasons=tuple(_reasons(status, terminated)),
        message=_line(status.get("message") or terminated.get("message")),
        node=(item.get("spec") or {}).get("nodeName"),
        deleting="deletionTimestamp" in metadata,
        bad=None if lacks else _bad(status, waiting),
        creating=lacks or waiting.get("reason") == "ContainerCreating",
    )


def _row(row: Mapping[str, Any]) -> Row:
    fields = dict(row)
    key = Key(fields.pop("id"), fields.pop("attempt"))
    minutes = fields.pop("max_minutes") or LONGEST_DURATION
    status = Status(fields.pop("status"))
    return Row(key=key, status=status, max_duration=timedelta(minutes=minutes), **fields)


def _past(row: Mapping[str, Any]) -> Past:
    return Past(True, row["live"], row["ended_at"], row["settled_at"], row["told"])


def _key(item: Json) -> Key | None:
    labels = item["metadata"].get("labels") or {}
    try:
        return Key(UUID(labels["job-id"]), int(labels["attempt"]))
    except (KeyError, ValueError):
        return None


def _job(key: Key, item: Json) -> SeenJob:
    metadata, spec, status = item["metadata"], item.get("spec") or {}, item.get("status") or {}
    conditions = {c["type"]: c for c in _true(status)}
    end = conditions.get("Complete") or conditions.get("Failed") or {}
    return SeenJob(
        key=key,
        name=metadata["name"],
        uid=metadata["uid"],
        finished=end.get("type"),
        finished_at=_instant(end.get("lastTransitionTime")),
        reason=end.get("reason"),
        message=_line(end.get("message")),
        ttl=spec.get("ttlSecondsAfterFinished"),
        deleting="deletionTimestamp" in metadata,
        suspended=bool(spec.get("suspend")),
        suspended_at=_instant(conditions.get("Suspended", {}).get("lastTransitionTime")),
    )


def _container(status: Json) -> Json:
    statuses = status.get("containerStatuses") or [{}]
    return statuses[0].get("state") or {}


def _reasons(status: Json, terminated: Json) -> Iterable[str]:
    if status.get("reason"):
        yield status["reason"]
    for condition in _true(status):
        if condition["type"] == "DisruptionTarget" and condition.get("reason"):
            yield condition["reason"]
    if terminated.get("reason") not in (None, "Completed", "Error"):
        yield terminated["reason"]


def _bad(status: Json, waiting: Json) -> tuple[str, str] | None:
    if waiting.get("reason") in BAD_WAITS:
        return waiting["reason"], _line(waiting.get("message")) or ""
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("reason") == "Unschedulable":
            return "Unschedulable", _line(condition.get("message")) or ""
    return None


def _true(status: Json) -> list[Json]:
    return [c for c in status.get("conditions") or () if c.get("status") == "True"]


def _last_change(status: Json) -> datetime | None:
    """When a pod without a container's end, an evicted one for example, last changed."""
    if status.get("phase") not in ("Succeeded", "Failed"):
        return None
    changes = [_instant(c.get("lastTransitionTime")) for c in status.get("conditions") or ()]
    known = [change for change in changes if change]
    return max(known, default=_instant(status.get("startTime")))


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _line(text: str | None) -> str | None:
    """A trainer's last words are among these: they may hold what no column can."""
    return " ".join(text.replace("\0", "?").split())[:500] if text else None
