"""What there is: our rows, and what Kubernetes shows. Read in that order, each of one moment."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from common.jobs.state import Status
from common.launch.plan import LONGEST_DURATION
from common.postgres import Queryable, statement


class Key(NamedTuple):
    """An attempt of a job."""

    job_id: UUID
    attempt: int


class Row(msgspec.Struct, frozen=True, gc=False):
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


class SeenJob(msgspec.Struct, frozen=True, gc=False):
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


class SeenPod(msgspec.Struct, frozen=True, gc=False):
    """A pod of ours. `bad` is what keeps it from starting, and what is said of that; `creating`
    that it waits for its volumes, one of which is its Secret, and `step` what is done meanwhile,
    where that is said."""

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
    step: str | None = None

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


def _row(row: Sequence[Any]) -> Row:
    """From the columns in the order of the statement."""
    job_id, attempt, status, minutes, *rest = row
    most = timedelta(minutes=minutes or LONGEST_DURATION)
    return Row(Key(job_id, attempt), Status(status), most, *rest)


def _past(row: Mapping[str, Any]) -> Past:
    return Past(True, row["live"], row["ended_at"], row["settled_at"], row["told"])
