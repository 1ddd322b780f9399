"""Models of ours in MLflow's registry: a second target beside the catalog, with tries of its own.

A version is found by the entry's id before it is made; of two that were made at once the later one
is deleted. The catalog never waits for any of this.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from common import answers
from common.errors import EventrainError, Unavailable
from common.jobs import work
from common.jobs.work import Item
from common.postgres import Connection, statement, transaction
from common.tracking import name
from common.tracking.mlflow import Mlflow, MlflowRefused

TARGET = "mlflow"
ENTRY = "eventrain.entry_id"
MOST_TRIES = 8
# MLflow may be away for so long after a model was registered.
PATIENCE = timedelta(days=7)
OFF = "MLflow is off"

Row = Mapping[str, Any]


class NotCarriedYet(Unavailable):
    """MLflow has not all of the job's run yet."""


@dataclass(frozen=True)
class Registry:
    """Without `mlflow` there is none."""

    pool: asyncpg.Pool
    mlflow: Mlflow | None
    now: Callable[[], datetime]


async def begin(connection: Connection, job_id: UUID, entry_id: UUID, *, now: datetime) -> None:
    """The entry is to be told to MLflow, in the transaction that makes it."""
    await connection.execute(statement("begin_enrolment"), job_id, entry_id, now)


async def enrol_due(job_id: UUID, registry: Registry) -> None:
    """Woken by `model.registered`, and by `job.succeeded` where that is overdue: registers the
    job's entry with MLflow where it is due and in nobody else's hands. Emits nothing."""
    now = registry.now()
    async with transaction(registry.pool) as connection:
        claimed = await work.claim(connection, "enroll", now=now, job_id=job_id)
    for item in claimed:
        await _enrol(item, registry)


async def _enrol(item: Item, registry: Registry) -> None:
    row = await registry.pool.fetchrow(statement("read_enrolment"), item.job_id, item.attempt)
    if row is None:
        async with transaction(registry.pool) as connection:
            await work.finish(connection, item, now=registry.now())
        return
    try:
        version = await _register(row, registry.mlflow)
    except Exception as wrong:  # noqa: BLE001 - each is told by a row
        await _put_off(item, row, wrong, registry)
        return
    async with transaction(registry.pool) as connection:
        called = name.model(row["name"])
        await _note(connection, row, "registered", called, version, None, registry.now())
        await work.finish(connection, item, now=registry.now())


async def _register(row: Row, mlflow: Mlflow | None) -> str:
    if mlflow is None:
        raise MlflowRefused("OFF", OFF)
    if row["is_mirrored"] and not row["is_carried"]:
        raise NotCarriedYet
    called = name.model(row["name"])
    found = await _find(mlflow, row, called)
    if not found:
        await _make(mlflow, row, called)
        found = await _find(mlflow, row, called)
    for twin in found[1:]:
        await mlflow.call("DELETE", "model-versions/delete", {"name": called, "version": twin})
    alias = {"name": called, "alias": name.alias(row["version"]), "version": found[0]}
    await mlflow.call("POST", "registered-models/alias", alias)
    return found[0]


async def _find(mlflow: Mlflow, row: Row, called: str) -> list[str]:
    """The versions that are this entry, the first one first."""
    query = {"filter": f"tags.`{ENTRY}` = '{row['entry_id']}'", "max_results": 100}
    answer = await mlflow.call("GET", "model-versions/search", query)
    mine = [each for each in answer.get("model_versions", ()) if each["name"] == called]
    return sorted((each["version"] for each in mine), key=int)


async def _make(mlflow: Mlflow, row: Row, called: str) -> None:
    try:
        await mlflow.call("POST", "registered-models/create", {"name": called})
    except MlflowRefused as refused:
        if not refused.is_there:
            raise
    model_id: str | None = row["tracking_model_id"]
    body = {
        "name": called,
        "source": f"models:/{model_id}" if model_id else row["storage_uri"],
        "run_id": row["tracking_run_id"],
        "model_id": model_id,
        "tags": name.pairs(_tags(row), name.tag),
    }
    told = {key: value for key, value in body.items() if value is not None}
    await mlflow.call("POST", "model-versions/create", told)


def _tags(row: Row) -> dict[str, Any]:
    said = {
        ENTRY: str(row["entry_id"]),
        "eventrain.job_id": str(row["job_id"]),
        "eventrain.attempt": str(row["attempt"]),
        "eventrain.project_id": str(row["project_id"]),
        "eventrain.version": row["version"],
        "eventrain.storage_uri": row["storage_uri"],
        "eventrain.receipt_sha256": row["receipt_sha256"],
        "eventrain.created_by": row["created_by"],
        **{f"metric.{key}": value for key, value in (row["evaluation_summary"] or {}).items()},
    }
    return {key: value for key, value in said.items() if value is not None}


async def _put_off(item: Item, row: Row, wrong: Exception, registry: Registry) -> None:
    now = registry.now()
    reason = wrong.message if isinstance(wrong, EventrainError) else repr(wrong)
    temporary = isinstance(wrong, Unavailable) or answers.is_temporary(wrong)
    if not (temporary or isinstance(wrong, EventrainError)):
        answers.log(wrong)
    tries = row["tries"] + (0 if temporary else 1)
    over = now - row["since"] > PATIENCE or tries >= MOST_TRIES or registry.mlflow is None
    async with transaction(registry.pool) as connection:
        status = "failed" if over else "pending"
        await _note(connection, {**row, "tries": tries}, status, None, None, reason, now)
        if over:
            await work.give_up(connection, item, reason, now=now)
        else:
            await work.postpone(connection, item, reason, now=now)


async def _note(
    connection: Connection,
    row: Row,
    status: str,
    called: str | None,
    version: str | None,
    error: str | None,
    now: datetime,
) -> None:
    await connection.execute(
        statement("note_enrolment"),
        row["entry_id"],
        TARGET,
        status,
        called,
        version,
        error,
        row["tries"],
        now,
    )
