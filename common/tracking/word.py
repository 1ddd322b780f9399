"""What people say of a job's experiment run, beside what its program tells."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import msgspec

from common.errors import Invalid, Violation
from common.postgres import Connection, statement
from common.tracking.fold import LONGEST_VALUE, MOST_ENTRIES, run_id

EXPERIMENT_TAG = "eventrain.experiment_name"
# Of the attempt's main run or, where its program made none, of its own.
SHOWN_RUN = ""


async def say(
    connection: Connection,
    job_id: UUID,
    *,
    experiment_name: str | None,
    run_name: str | None,
    parameters: Mapping[str, Any],
    by: str,
    now: datetime,
) -> None:
    """Keeps it in the caller's transaction, among the reports too: so MLflow hears of it in order.
    Raises Invalid for more parameters than a run may have."""
    numbered = await connection.fetchrow(statement("number_word"), job_id)
    assert numbered is not None
    attempt: int = numbered["attempt"]
    known: dict[str, Any] | None = await connection.fetchval(
        statement("say_of_run"),
        run_id(job_id, attempt, SHOWN_RUN),
        job_id,
        attempt,
        experiment_name,
        run_name,
        parameters,
        by,
        now,
    )
    if known and len(known) > MOST_ENTRIES:
        raise Invalid([Violation("parameters", f"a run has at most {MOST_ENTRIES}")])
    payload = {"ops": list(_operations(experiment_name, run_name, parameters))}
    await connection.execute(
        statement("insert_word"),
        job_id,
        numbered["reported"],
        attempt,
        f"{by}|{uuid4()}",
        payload,
        now,
    )


async def record(
    connection: Connection,
    job_id: UUID,
    metrics: Mapping[str, float],
    step: int | None,
    *,
    now: datetime,
) -> None:
    """Keeps figures of one step."""
    await connection.execute(
        statement("insert_figures"),
        job_id,
        [uuid4() for _ in metrics],
        list(metrics),
        step,
        now,
        list(metrics.values()),
    )


def _operations(
    experiment_name: str | None, run_name: str | None, parameters: Mapping[str, Any]
) -> list[dict[str, Any]]:
    said: list[dict[str, Any]] = []
    if run_name:
        said.append({"op": "rename", "run": SHOWN_RUN, "name": run_name})
    if experiment_name:
        tags = {EXPERIMENT_TAG: experiment_name}
        said.append({"op": "tags", "run": SHOWN_RUN, "tags": tags})
    if parameters:
        spelled = {name: _spell(value) for name, value in parameters.items()}
        said.append({"op": "params", "run": SHOWN_RUN, "params": spelled})
    return said


def _spell(value: Any) -> str:
    """As MLflow keeps a parameter."""
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text[:LONGEST_VALUE]
