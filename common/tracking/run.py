"""An experiment run as the contract shows it, of our own rows."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from typing_extensions import TypedDict

from common.postgres import Queryable, statement
from common.tracking.filter import Status, Term
from common.tracking.fold import run_id

Row = Mapping[str, Any]
# A job has far fewer attempts.
MOST_ATTEMPTS = 1000


class ExperimentRun(TypedDict):
    """`trackingSystem` says who showed it: MLflow, with its own id of the run, or we ourselves.
    A run that another one made has that one's id as parent."""

    id: UUID
    trainingJobId: UUID
    attempt: int
    trackingSystem: Literal["mlflow", "eventrain"]
    trackingRunId: str | None
    parentRunId: UUID | None
    experimentName: str
    runName: str
    parameters: dict[str, Any]
    metrics: dict[str, float | str]
    tags: dict[str, str]
    artifactUris: list[str]
    status: Status
    startTime: datetime | None
    endTime: datetime | None
    createdAt: datetime
    updatedAt: datetime


async def find(
    connection: Queryable,
    projects: Collection[UUID],
    *,
    jobs: Sequence[UUID] | None = None,
    terms: Sequence[Term] = (),
    main: bool = False,
    keys: Sequence[tuple[UUID, int, str]] | None = None,
    limit: int,
) -> Sequence[Row]:
    """The runs of these projects that meet all of it, newest first; `keys` are job, attempt and
    run, which is empty for the main one."""
    wanted = None if keys is None else [dict(zip(KEY, key, strict=True)) for key in keys]
    return await connection.fetch(
        statement("find_runs"),
        list(projects),
        jobs,
        [asdict(term) for term in terms],
        main,
        wanted,
        limit,
    )


KEY = ("job_id", "attempt", "run")


async def present(connection: Queryable, project: UUID, job_id: UUID) -> Row:
    """The run of a job's newest attempt: the main one of its program or, where that made none, the
    attempt's own."""
    rows = await find(connection, [project], jobs=[job_id], main=True, limit=MOST_ATTEMPTS)
    return max(rows, key=lambda row: row["attempt"])


def show(row: Row) -> ExperimentRun:
    job_id, attempt = row["job_id"], row["attempt"]
    parent = row["parent"]
    return {
        "id": run_id(job_id, attempt, row["run"]),
        "trainingJobId": job_id,
        "attempt": attempt,
        "trackingSystem": "eventrain",
        "trackingRunId": row["tracking_run_id"],
        "parentRunId": run_id(job_id, attempt, parent) if parent else None,
        "experimentName": row["experiment_name"],
        "runName": row["name"],
        "parameters": row["parameters"],
        "metrics": row["metrics"],
        "tags": row["tags"],
        "artifactUris": row["artifact_uris"],
        "status": row["status"],
        "startTime": row["start_time"],
        "endTime": row["end_time"] if row["status"] != "running" else None,
        "createdAt": row["created_at"],
        "updatedAt": row["updated_at"],
    }
