"""What a program told by MLflow's protocol, as it is kept and as its client wants to read it."""

import re
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from eventrain_trainer.metric import on_wire

RECENT = 2_000
ID = re.compile("[0-9a-f]{32}")
PARENT = "mlflow.parentRunId"
NAME = "mlflow.runName"

TEXTS = dict[str, str]
Mark = tuple[str, float | str, int, int]


class Sample(NamedTuple):
    value: float
    timestamp: int
    step: int

    @property
    def rank(self) -> tuple[int, int, float]:
        """By which MLflow says which is the latest of a metric."""
        return self.step, self.timestamp, self.value

    def as_json(self, key: str) -> dict[str, Any]:
        value = on_wire(self.value)
        return {"key": key, "value": value, "timestamp": self.timestamp, "step": self.step}


@dataclass
class Experiment:
    id: str
    name: str
    created: int
    tags: TEXTS = field(default_factory=TEXTS)
    stage: str = "active"

    def as_json(self) -> dict[str, Any]:
        return {
            "experiment_id": self.id,
            "name": self.name,
            "artifact_location": f"mlflow-artifacts:/{self.id}",
            "lifecycle_stage": self.stage,
            "creation_time": self.created,
            "last_update_time": self.created,
            "tags": pairs(self.tags),
        }


@dataclass
class Run:
    id: str
    name: str
    experiment_id: str
    user: str
    started: int
    main: bool
    tags: TEXTS
    status: str = "RUNNING"
    ended: int | None = None
    stage: str = "active"
    params: TEXTS = field(default_factory=TEXTS)
    latest: dict[str, Sample] = field(default_factory=dict[str, Sample])
    series: dict[str, list[Sample]] = field(default_factory=dict[str, list[Sample]])
    datasets: dict[tuple[str, str], dict[str, Any]] = field(
        default_factory=dict[tuple[str, str], dict[str, Any]]
    )
    models_in: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    models_out: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    _recent: dict[Mark, None] = field(default_factory=dict[Mark, None], repr=False)

    @property
    def parent(self) -> str | None:
        found = self.tags.get(PARENT, "")
        return found if ID.fullmatch(found) else None

    @property
    def active(self) -> bool:
        return self.status in ("RUNNING", "SCHEDULED")

    @property
    def artifact_uri(self) -> str:
        return f"mlflow-artifacts:/{self.experiment_id}/{self.id}/artifacts"

    def is_new(self, key: str, sample: Sample) -> bool:
        """Not for what was just told: a client asks again when it did not hear the answer."""
        mark = (key, on_wire(sample.value), sample.timestamp, sample.step)
        if mark in self._recent:
            return False
        self._recent[mark] = None
        if len(self._recent) > RECENT:
            del self._recent[next(iter(self._recent))]
        return True

    def info(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "run_uuid": self.id,
            "run_id": self.id,
            "run_name": self.name,
            "experiment_id": self.experiment_id,
            "user_id": self.user,
            "status": self.status,
            "start_time": self.started,
            "artifact_uri": self.artifact_uri,
            "lifecycle_stage": self.stage,
        }
        return found | ({} if self.ended is None else {"end_time": self.ended})

    def as_json(self) -> dict[str, Any]:
        return {
            "info": self.info(),
            "data": {
                "metrics": [sample.as_json(key) for key, sample in self.latest.items()],
                "params": pairs(self.params),
                "tags": pairs(self.tags),
            },
            "inputs": {
                "dataset_inputs": list(self.datasets.values()),
                "model_inputs": list(self.models_in.values()),
            },
            "outputs": {"model_outputs": list(self.models_out.values())},
        }


@dataclass
class Model:
    """A logged model: what `log_model` makes, whether or not anybody registers it."""

    id: str
    name: str
    type: str
    experiment_id: str
    run_id: str
    created: int
    params: TEXTS = field(default_factory=TEXTS)
    tags: TEXTS = field(default_factory=TEXTS)
    status: str = "PENDING"
    updated: int = 0
    metrics: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])

    @property
    def artifact_uri(self) -> str:
        return f"mlflow-artifacts:/{self.experiment_id}/models/{self.id}/artifacts"

    def as_json(self) -> dict[str, Any]:
        return {
            "info": {
                "model_id": self.id,
                "experiment_id": self.experiment_id,
                "name": self.name,
                "creation_timestamp_ms": self.created,
                "last_updated_timestamp_ms": self.updated or self.created,
                "artifact_uri": self.artifact_uri,
                "status": f"LOGGED_MODEL_{self.status}",
                "model_type": self.type,
                "source_run_id": self.run_id,
                "tags": pairs(self.tags),
            },
            "data": {"params": pairs(self.params), "metrics": list(self.metrics.values())},
        }


def pairs(values: TEXTS) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in values.items()]
