"""Experiment runs, from MLflow where it answers and from our own rows where it does not.

What MLflow may be asked about is decided here: the experiments of jobs that the caller may see. Of
what it answers only runs that bear the mark of such a job are taken.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

from common.postgres import statement
from common.tracking import filter as language
from common.tracking import name, run
from common.tracking.filter import Term, Unsayable
from common.tracking.mlflow import Mlflow, MlflowRefused, MlflowUnavailable
from common.tracking.run import ExperimentRun, Row

# What a search looks at: the newest of them.
MOST_JOBS = 10_000
# Of more experiments MLflow would be asked for longer than anybody waits.
MOST_EXPERIMENTS = 1000
JOB_TAG, ATTEMPT_TAG = "eventrain.job_id", "eventrain.attempt"
MAIN_TAG, RUN_TAG = "eventrain.main", "eventrain.run"
EARLIEST = datetime(1, 1, 1, tzinfo=UTC)

SHOWN_BY_MLFLOW = "From MLflow."
OFF = "From our own records: MLflow is off."
AWAY = "From our own records: MLflow does not answer just now."
UNKNOWN = "From our own records: MLflow has not heard of this run yet."
REFUSED = "From our own records: MLflow could not answer this."
TOO_MANY = f"From our own records: more than {MOST_EXPERIMENTS} experiments."
UNSAYABLE = "From our own records: MLflow's filters cannot say this."

Key = tuple[UUID, int, str]


class Found(NamedTuple):
    """What was found, and who says so."""

    runs: list[ExperimentRun]
    message: str


@dataclass(frozen=True)
class Wanted:
    """Which runs, of whose projects, and how many of them."""

    projects: Sequence[UUID]
    terms: Sequence[Term]
    experiment_name: str | None
    limit: int


class _NotByMlflow(Exception):
    """Why our own rows must do; the message is for the one who asked."""


async def read(
    pool: asyncpg.Pool, mlflow: Mlflow | None, project: UUID, job_id: UUID
) -> tuple[ExperimentRun, str]:
    """The run of a job, and who says so."""
    row = await run.present(pool, project, job_id)
    if mlflow is None:
        return run.show(row), OFF
    if row["tracking_run_id"] is None:
        return run.show(row), UNKNOWN
    try:
        said = await mlflow.call("GET", "runs/get", {"run_id": row["tracking_run_id"]})
        return _merge(row, said["run"]), SHOWN_BY_MLFLOW
    except MlflowUnavailable:
        return run.show(row), AWAY
    except (MlflowRefused, KeyError, TypeError, ValueError):
        return run.show(row), REFUSED


async def search(pool: asyncpg.Pool, mlflow: Mlflow | None, wanted: Wanted) -> Found:
    """The runs that meet the filter, newest first. What MLflow has no experiment of, its mirror
    being behind, is added from our own rows."""
    scope = await pool.fetch(
        statement("read_scope"), wanted.projects, wanted.experiment_name, MOST_JOBS
    )
    try:
        return await _search_mlflow(pool, mlflow, wanted, scope)
    except _NotByMlflow as reason:
        runs = await _search_ours(pool, wanted, [row["id"] for row in scope])
        return Found(runs, str(reason))


async def _search_mlflow(
    pool: asyncpg.Pool, mlflow: Mlflow | None, wanted: Wanted, scope: Sequence[Row]
) -> Found:
    if mlflow is None:
        raise _NotByMlflow(OFF)
    known = {row["experiment_id"]: row["id"] for row in scope if row["experiment_id"]}
    unknown = [row["id"] for row in scope if not row["experiment_id"]]
    runs = await _ask(pool, mlflow, wanted, known) if known else []
    runs += await _search_ours(pool, wanted, unknown) if unknown else []
    return Found(sorted(runs, key=_newest_first, reverse=True)[: wanted.limit], SHOWN_BY_MLFLOW)


async def _ask(
    pool: asyncpg.Pool, mlflow: Mlflow, wanted: Wanted, experiments: Mapping[str, UUID]
) -> list[ExperimentRun]:
    if len(experiments) > MOST_EXPERIMENTS:
        raise _NotByMlflow(TOO_MANY)
    try:
        asked = {
            "experiment_ids": list(experiments),
            "filter": language.render(wanted.terms),
            "max_results": wanted.limit,
            "order_by": ["attributes.start_time DESC"],
        }
        said = await mlflow.call("POST", "runs/search", asked)
        return await _recognise(pool, wanted, experiments, said.get("runs", []))
    except MlflowUnavailable:
        raise _NotByMlflow(AWAY) from None
    except Unsayable:
        raise _NotByMlflow(UNSAYABLE) from None
    except (MlflowRefused, KeyError, TypeError, ValueError):
        raise _NotByMlflow(REFUSED) from None


async def _recognise(
    pool: asyncpg.Pool,
    wanted: Wanted,
    experiments: Mapping[str, UUID],
    told: Sequence[Mapping[str, Any]],
) -> list[ExperimentRun]:
    theirs = {key: each for each in told if (key := _key(each, experiments))}
    rows = await run.find(
        pool,
        wanted.projects,
        jobs=list({job_id for job_id, _, _ in theirs}),
        keys=list(theirs),
        limit=len(theirs),
    )
    return [_merge(row, theirs[_own_key(row)]) for row in rows]


async def _search_ours(
    pool: asyncpg.Pool, wanted: Wanted, jobs: Sequence[UUID]
) -> list[ExperimentRun]:
    rows = await run.find(
        pool,
        wanted.projects,
        jobs=jobs,
        terms=wanted.terms,
        limit=wanted.limit,
    )
    return [run.show(row) for row in rows]


def _key(told: Mapping[str, Any], experiments: Mapping[str, UUID]) -> Key | None:
    """Which run of ours this is; None for one that others made in the experiment."""
    job_id = experiments.get(told["info"]["experiment_id"])
    tags = _pairs(told, "tags")
    attempt = tags.get(ATTEMPT_TAG, "")
    if job_id is None or tags.get(JOB_TAG) != str(job_id) or not attempt.isdecimal():
        return None
    return job_id, int(attempt), "" if tags.get(MAIN_TAG) == "true" else tags.get(RUN_TAG, "")


def _own_key(row: Row) -> Key:
    return row["job_id"], row["attempt"], "" if row["main"] else row["run"]


def _merge(row: Row, told: Mapping[str, Any]) -> ExperimentRun:
    """Ours as MLflow has it; what it has not heard of yet stays as we know it."""
    shown, info = run.show(row), told["info"]
    status = language.OURS.get(info.get("status"), "running")
    ended = status != "running"
    return {
        **shown,
        "trackingSystem": "mlflow",
        "trackingRunId": info["run_id"],
        "runName": info.get("run_name") or shown["runName"],
        "parameters": _add(shown["parameters"], _pairs(told, "params")),
        "metrics": _add(shown["metrics"], _pairs(told, "metrics")),
        "status": status if ended else shown["status"],
        "startTime": _instant(info.get("start_time")) or shown["startTime"],
        "endTime": (_instant(info.get("end_time")) if ended else None) or shown["endTime"],
    }


def _add(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, Any]:
    """Theirs count, under the names that ours have, for MLflow takes not every key; what only reads
    otherwise, as every parameter is text there, stays ours."""
    known = {name.key(key): key for key in ours}
    added = {known.get(key, key): value for key, value in theirs.items()}
    kept = {key for key in added if key in ours and name.param(ours[key]) == added[key]}
    return {**ours, **{key: value for key, value in added.items() if key not in kept}}


def _pairs(told: Mapping[str, Any], kind: str) -> dict[str, Any]:
    return {each["key"]: each["value"] for each in told.get("data", {}).get(kind, [])}


def _instant(millis: Any) -> datetime | None:
    """MLflow writes no time as 0, or not at all."""
    return datetime.fromtimestamp(int(millis) / 1000, UTC) if millis else None


def _newest_first(shown: ExperimentRun) -> tuple[datetime, UUID]:
    return shown["startTime"] or EARLIEST, shown["id"]
