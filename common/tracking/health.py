"""How the integrations do, for whoever is signed in: figures and states, nothing of anybody's job."""

from datetime import datetime, timedelta
from typing import Any, Literal

import asyncpg
from typing_extensions import TypedDict

from common.postgres import statement
from common.tracking.mlflow import Mlflow, MlflowRefused, MlflowUnavailable

Status = Literal["ok", "degraded", "down", "off"]
# So long an attempt may wait that nothing is wrong with: it is carried at a tick or an event.
PATIENCE = timedelta(minutes=2)
TARGET = "mlflow"
HELD_UP = "What waits could not be carried at the last try."


class Backlog(TypedDict):
    """How many attempts wait to be mirrored, and since when the first of them."""

    attempts: int
    since: datetime | None


class Registry(TypedDict):
    pending: int
    failed: int


class Integration(TypedDict):
    enabled: bool
    status: Status
    backlog: Backlog
    last_error: str | None
    registry: Registry


class Integrations(TypedDict):
    mlflow: Integration


class Health(TypedDict):
    """Training goes on without any of them: so the whole is at worst degraded."""

    overall_status: Literal["ok", "degraded"]
    integrations: Integrations
    checked_at: datetime


async def look(
    pool: asyncpg.Pool, mlflow: Mlflow | None, *, details: bool, now: datetime
) -> Health:
    """How they do now. What stood in the way of somebody's run is said with `details` only."""
    waiting = await pool.fetchrow(statement("read_backlog"))
    counted = await pool.fetchrow(statement("count_registrations"), TARGET)
    assert waiting is not None
    assert counted is not None
    backlog: Backlog = {"attempts": waiting["attempts"], "since": waiting["since"]}
    registry: Registry = {"pending": counted["pending"], "failed": counted["failed"]}
    hindered = waiting["error"] if details or not waiting["error"] else HELD_UP
    status, error = await _status(mlflow, backlog, registry, hindered, now)
    state: Integration = {
        "enabled": mlflow is not None,
        "status": status,
        "backlog": backlog,
        "last_error": error,
        "registry": registry,
    }
    overall = "ok" if status in ("ok", "off") else "degraded"
    return {"overall_status": overall, "integrations": {"mlflow": state}, "checked_at": now}


async def _status(
    mlflow: Mlflow | None, backlog: Backlog, registry: Registry, hindered: Any, now: datetime
) -> tuple[Status, str | None]:
    if mlflow is None:
        return "off", None
    try:
        await mlflow.call("POST", "experiments/search", {"max_results": 1})
    except (MlflowUnavailable, MlflowRefused) as wrong:
        return "down", wrong.message
    since = backlog["since"]
    late = since is not None and now - since > PATIENCE
    return "degraded" if late or hindered or registry["failed"] else "ok", hindered
