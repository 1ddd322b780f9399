"""How far an attempt is carried to MLflow, kept beside the work row whose lease says who carries it.

Heartbeats may come out of order: of those before the last one that was carried, the ones that are
missing are gaps, and are looked for until the attempt is settled.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from common.jobs import pack
from common.jobs.work import LEASE, Item
from common.postgres import Queryable, snapshot, statement

BEATS = 50
BYTES = 2 << 20
REPORTS = 50
METRICS = 1000
# More gaps than an honest trainer leaves; the oldest are forgotten.
MOST_GAPS = 1000

Row = Mapping[str, Any]
Gap = tuple[int, int]


class LeaseLost(Exception):
    """Somebody else carries this attempt now."""


@dataclass(frozen=True)
class Cursor:
    """What was carried: heartbeats up to a sequence but for the gaps, reports up to a number."""

    beat: int = -1
    gaps: tuple[Gap, ...] = ()
    report: int = 0

    def past_beats(self, sequences: Collection[int]) -> "Cursor":
        """The cursor once these are carried too."""
        gaps = _without(self.gaps, {each for each in sequences if each <= self.beat})
        last = self.beat
        for each in sorted(each for each in sequences if each > self.beat):
            if each > last + 1:
                gaps.append((last + 1, each - 1))
            last = each
        return replace(self, beat=last, gaps=tuple(gaps[-MOST_GAPS:]))


@dataclass
class Mirror:
    """One attempt on its way to MLflow, claimed by whoever holds its lease."""

    item: Item
    lease: datetime
    job: Row
    cursor: Cursor
    experiment_id: str | None
    done: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def key(self) -> tuple[UUID, int]:
        return self.item.job_id, self.item.attempt

    @property
    def is_over(self) -> bool:
        return self.job["ended_at"] is not None


async def any_due(connection: Queryable, *, now: datetime) -> bool:
    """Whether somebody should be woken."""
    return bool(await connection.fetchval(statement("any_mirror_due"), now))


async def begin(connection: Queryable, keys: Sequence[tuple[UUID, int]], *, now: datetime) -> None:
    """These attempts are to be carried, from their beginning."""
    jobs, attempts = [job_id for job_id, _ in keys], [attempt for _, attempt in keys]
    await connection.execute(statement("begin_mirrors"), jobs, attempts, now)


async def claim(pool: asyncpg.Pool, item: Item, *, claimed_at: datetime) -> Mirror | None:
    """The claimed attempt as it stands; None where its job is gone."""
    job_id, attempt = item.job_id, item.attempt
    await pool.execute(statement("open_mirror"), job_id, attempt, claimed_at)
    row = await pool.fetchrow(statement("read_mirror"), job_id, attempt)
    if row is None:
        return None
    detail: dict[str, Any] = row["detail"]
    gaps = tuple((low, high) for low, high in detail.get("gaps", ()))
    return Mirror(
        item=item,
        lease=claimed_at + LEASE,
        job=row,
        cursor=Cursor(row["beat_sequence"], gaps, row["report_number"]),
        experiment_id=row["experiment_id"],
        done={name: value for name, value in detail.items() if name not in ("gaps", "rests")},
    )


async def renew(connection: Queryable, mirror: Mirror, *, now: datetime) -> None:
    """Still carried by us. Raises LeaseLost."""
    renewed = await connection.fetchval(
        statement("renew_work"), "mirror", *mirror.key, mirror.lease, now + LEASE
    )
    if renewed is None:
        raise LeaseLost
    mirror.lease = now + LEASE


async def advance(
    connection: Queryable,
    mirror: Mirror,
    cursor: Cursor,
    *,
    now: datetime,
    caught_up: bool = False,
    settled: bool = False,
) -> None:
    """Keeps how far it is carried, as long as the lease is ours. Raises LeaseLost."""
    detail = mirror.done | {"gaps": cursor.gaps}
    kept = await connection.fetchval(
        statement("advance_mirror"),
        *mirror.key,
        mirror.lease,
        cursor.beat,
        cursor.report,
        detail,
        mirror.experiment_id,
        caught_up,
        settled,
        now,
    )
    if kept is None:
        raise LeaseLost
    mirror.cursor = cursor


async def begin_again(connection: Queryable, mirror: Mirror, *, now: datetime) -> None:
    """MLflow has lost what it was told: the attempt is carried from its beginning, into runs that
    are found or made anew. Raises LeaseLost."""
    mirror.experiment_id, mirror.done = None, {}
    await advance(connection, mirror, Cursor(), now=now)
    await connection.execute(statement("reset_mirrored"), *mirror.key)


async def rest(connection: Queryable, mirror: Mirror, until: datetime) -> None:
    """Not before then, unless an event wakes it."""
    await connection.execute(statement("rest_mirror"), *mirror.key, mirror.lease, until)


async def hasten(connection: Queryable, job_id: UUID, *, now: datetime) -> None:
    """Whatever rests of a job is due."""
    await connection.execute(statement("hasten_mirror"), job_id, now)


async def put_off(
    connection: Queryable, mirror: Mirror, error: str, until: datetime, *, now: datetime
) -> None:
    """Not before then, for something stands in the way."""
    await connection.execute(statement("put_off_mirror"), *mirror.key, mirror.lease, until, error)
    await note_error(connection, mirror.key, error, now=now)


async def note_error(
    connection: Queryable, key: tuple[UUID, int], error: str, *, now: datetime
) -> None:
    """What stands in the way, for whoever looks."""
    await connection.execute(statement("note_mirror_error"), *key, error, now)


async def give_up(
    connection: Queryable, key: tuple[UUID, int], error: str, *, now: datetime
) -> None:
    """Nothing more of this attempt is carried."""
    await connection.execute(statement("give_up_mirror"), *key, error, now)


async def read_reports(connection: Queryable, mirror: Mirror) -> Sequence[Row]:
    """The next reports of the job, of other kinds and attempts without their payload."""
    return await connection.fetch(
        statement("read_reports_to_mirror"), *mirror.key, mirror.cursor.report, REPORTS
    )


async def read_beats(pool: asyncpg.Pool, mirror: Mirror) -> Sequence[Row]:
    """The next heartbeats that are not carried, those that came late first."""
    cursor = mirror.cursor
    if mirror.job["packed_at"] is not None:
        return await _read_packed(pool, mirror)
    return await pool.fetch(
        statement("read_beats_to_mirror"),
        *mirror.key,
        cursor.beat,
        [low for low, _ in cursor.gaps],
        [high for _, high in cursor.gaps],
        BEATS,
        BYTES,
    )


async def _read_packed(pool: asyncpg.Pool, mirror: Mirror) -> Sequence[Row]:
    job_id, attempt = mirror.key
    async with snapshot(pool) as connection:
        found = await pack.read_beats(
            connection, job_id, after=(attempt, mirror.cursor.beat), since=None, limit=BEATS
        )
    return [row for row in found.rows if row["attempt"] == attempt]


async def read_metrics(connection: Queryable, mirror: Mirror) -> Sequence[Row]:
    """Single figures that were recorded beside the heartbeats and are not carried."""
    return await connection.fetch(statement("read_metrics_to_mirror"), mirror.item.job_id, METRICS)


async def note_metrics(connection: Queryable, rows: Sequence[Row], *, now: datetime) -> None:
    """These are carried."""
    await connection.execute(statement("note_mirrored"), [row["id"] for row in rows], now)


async def read_runs(connection: Queryable, mirror: Mirror) -> Sequence[Row]:
    """The runs of the attempt, those that hold others first."""
    return await connection.fetch(statement("read_runs_to_mirror"), *mirror.key)


async def note_run(
    connection: Queryable, mirror: Mirror, run: str, tracking_run_id: str, *, now: datetime
) -> None:
    """What MLflow calls a run; the attempt's own is made here where nobody spoke of it."""
    await connection.execute(
        statement("note_tracking_run"), *mirror.key, run, tracking_run_id, uuid4(), now
    )


async def read_models(connection: Queryable, mirror: Mirror) -> Sequence[Row]:
    """The models that the attempt logged."""
    return await connection.fetch(statement("read_models_to_mirror"), *mirror.key)


async def note_model(
    connection: Queryable, mirror: Mirror, model: str, tracking_model_id: str
) -> None:
    """What MLflow calls a logged model."""
    await connection.execute(
        statement("note_tracking_model"), *mirror.key, model, tracking_model_id
    )


async def read_artifacts(connection: Queryable, mirror: Mirror) -> Sequence[Row]:
    """The files that the attempt told of at its end."""
    return await connection.fetch(statement("read_artifacts_to_mirror"), *mirror.key)


def _without(gaps: Sequence[Gap], found: Collection[int]) -> list[Gap]:
    left: list[Gap] = []
    for low, high in gaps:
        start = low
        for each in sorted(each for each in found if low <= each <= high):
            if each > start:
                left.append((start, each - 1))
            start = each + 1
        if start <= high:
            left.append((start, high))
    return left
