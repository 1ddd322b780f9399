"""What is asked of the ledger, and how it is shown."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from fastapi import Query
from typing_extensions import TypedDict

from common.body import Id, Moment
from common.jobs.ledger import GroupBy

ProjectId = Annotated[Id | None, Query(alias="projectId")]
Since = Annotated[
    Moment | None,
    Query(alias="from", description="submitted then or later; by default since the month began"),
]
Until = Annotated[
    Moment | None, Query(alias="to", description="submitted before; by default until now")
]
Grouping = Annotated[GroupBy, Query(alias="groupBy")]
Limit = Annotated[int, Query(ge=1, le=200)]
Cursor = Annotated[str | None, Query(max_length=1024)]


class Hours(TypedDict):
    useful: float
    lost: float
    stalled: float
    queued: float


class Cost(TypedDict):
    useful: float
    lost: float
    stalled: float
    total: float


class Entry(TypedDict):
    """`key` is a job's, a user's, a project's or a GPU type's id (`cpu` where there is no GPU), a
    day or a month; `name` a job's. `unpricedHours` are in no cost: nobody gave their price."""

    key: str
    name: str | None
    jobs: int
    gpuHours: Hours
    cpuHours: Hours
    cost: Cost
    unpricedHours: float


Ledger = TypedDict(
    "Ledger",
    {
        "ledger": list[Entry],
        "groupBy": GroupBy,
        "from": datetime,
        "to": datetime,
        "currency": str,
        "nextCursor": str | None,
    },
)


def entry(row: Mapping[str, Any]) -> Entry:
    return {
        "key": row["key"],
        "name": row["name"],
        "jobs": row["jobs"],
        "gpuHours": _hours(row, "gpu"),
        "cpuHours": _hours(row, "cpu"),
        "cost": _cost(row),
        "unpricedHours": row["unpriced"],
    }


def _hours(row: Mapping[str, Any], of: str) -> Hours:
    return {
        "useful": row[f"{of}_useful"],
        "lost": row[f"{of}_lost"],
        "stalled": row[f"{of}_stalled"],
        "queued": row[f"{of}_queued"],
    }


def _cost(row: Mapping[str, Any]) -> Cost:
    useful, lost, stalled = row["cost_useful"], row["cost_lost"], row["cost_stalled"]
    return {"useful": useful, "lost": lost, "stalled": stalled, "total": useful + lost + stalled}
