"""What a run is told at once: `log-batch`, in batches that MLflow takes.

A batch that MLflow refuses is halved until what is at fault stands alone; that is left out, and
counted, for it would stand in the way of all that follows.
"""

import logging
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from common.errors import EventrainError
from common.jobs.course import Point
from common.tracking import name
from common.tracking.mlflow import Mlflow, MlflowRefused

METRICS = 1000
PARAMS = 100
TAGS = 100

Metric = dict[str, Any]
Pair = dict[str, str]

_log = logging.getLogger(__name__)


@dataclass
class Batch:
    """For one run. Later tags of a name replace earlier ones; of a parameter the first counts."""

    metrics: list[Metric] = field(default_factory=list[Metric])
    params: dict[str, str] = field(default_factory=dict[str, str])
    tags: dict[str, str] = field(default_factory=dict[str, str])

    def __len__(self) -> int:
        return len(self.metrics) + len(self.params) + len(self.tags)


def metric(key: str, value: float | str, milliseconds: int, step: float | None) -> Metric:
    """A metric as MLflow takes it."""
    return {
        "key": name.key(key),
        "value": _figure(value),
        "timestamp": milliseconds,
        "step": name.step(step),
    }


def metrics_of(points: Iterable[Point]) -> list[Metric]:
    """The points of heartbeats as metrics."""
    return [
        metric(each["name"], each["value"], name.milliseconds(each["time"]), each["step"])
        for each in points
    ]


async def log(mlflow: Mlflow, run_id: str, batch: Batch) -> int:
    """Tells a run all of a batch and says how much of it MLflow refused. Raises MlflowUnavailable,
    and MlflowRefused where there is no such run."""
    refused = 0
    for body in _bodies(batch):
        refused += await _send(mlflow, run_id, body)
    return refused


def note_refusal(what: str, refused: EventrainError) -> None:
    """Something was left out."""
    _log.warning("MLflow is not told %s: %s", what, refused.message)


async def _send(mlflow: Mlflow, run_id: str, body: Mapping[str, Sequence[Any]]) -> int:
    try:
        await mlflow.call("POST", "runs/log-batch", {"run_id": run_id, **body})
    except MlflowRefused as refused:
        if refused.is_missing:
            raise
        return await _send_less(mlflow, run_id, body, refused)
    return 0


async def _send_less(
    mlflow: Mlflow, run_id: str, body: Mapping[str, Sequence[Any]], refused: MlflowRefused
) -> int:
    count = sum(map(len, body.values()))
    if count == 1 or await _is_deleted(mlflow, run_id):
        _log.warning("MLflow refuses %s of run %s: %s", count, run_id, refused.message)
        return count
    return sum([await _send(mlflow, run_id, half) for half in _halves(body)])


async def _is_deleted(mlflow: Mlflow, run_id: str) -> bool:
    """Whether somebody deleted the run in MLflow, which then takes nothing for it."""
    found = await mlflow.call("GET", "runs/get", {"run_id": run_id})
    return found["run"]["info"].get("lifecycle_stage") == "deleted"


def _bodies(batch: Batch) -> Iterator[dict[str, list[Any]]]:
    metrics = batch.metrics
    params, tags = name.pairs(batch.params, name.param), name.pairs(batch.tags, name.tag)
    while metrics or params or tags:
        body: dict[str, list[Any]] = {}
        if params:
            body["params"], params = params[:PARAMS], params[PARAMS:]
        if tags:
            body["tags"], tags = tags[:TAGS], tags[TAGS:]
        room = METRICS - sum(map(len, body.values()))
        if metrics:
            body["metrics"], metrics = metrics[:room], metrics[room:]
        yield body


def _halves(body: Mapping[str, Sequence[Any]]) -> list[dict[str, Sequence[Any]]]:
    """One kind apart from the others, else the first half of it apart from the second."""
    if len(body) > 1:
        return [{kind: entries} for kind, entries in body.items()]
    ((kind, entries),) = body.items()
    middle = len(entries) // 2
    return [{kind: entries[:middle]}, {kind: entries[middle:]}]


def _figure(value: float | str) -> float | str:
    if isinstance(value, str) or math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
