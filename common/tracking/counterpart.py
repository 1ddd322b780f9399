"""What MLflow calls the experiment, the runs and the logged models of an attempt.

Each is found by its tags and made where it is not there, so that whoever died in between makes no
second one; what two made at once is found out at the end, and one of them is deleted.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import asyncpg

from common.tracking import batch, mirror, name
from common.tracking.batch import Batch
from common.tracking.mirror import Mirror, Row
from common.tracking.mlflow import Mlflow, MlflowRefused

# The run that a program made first, or that stands for one that made none.
MAIN = "eventrain.main"
RUN = "eventrain.run"
MODEL = "eventrain.model"
ATTEMPT = "eventrain.attempt"
OWN = ""
# By which the operations speak of the attempt's own run that people spoke of.
SAID = "0" * 32
# What MLflow's client says of its own surroundings, and what is said better here.
OURS = frozenset({"mlflow.user", "mlflow.runName", "mlflow.parentRunId"})
PAGE = 1000

Json = dict[str, Any]


class ExperimentDeleted(Exception):
    """Somebody deleted the job's experiment in MLflow."""


class Counterparts:
    """Of one attempt, for as long as one holds its lease."""

    def __init__(
        self, mlflow: Mlflow, pool: asyncpg.Pool, of: Mirror, now: Callable[[], datetime]
    ) -> None:
        self._mlflow = mlflow
        self._pool = pool
        self._mirror = of
        self._now = now
        self._runs: dict[str, Json] = {}
        self._models: dict[str, Json] = {}

    async def load(self) -> None:
        """What is known of the attempt's runs and models by now."""
        runs = await mirror.read_runs(self._pool, self._mirror)
        models = await mirror.read_models(self._pool, self._mirror)
        self._runs = {row["run"]: dict(row) for row in runs}
        self._models = {row["model"]: dict(row) for row in models}

    @property
    def runs(self) -> Sequence[Json]:
        return list(self._runs.values())

    @property
    def models(self) -> Sequence[Json]:
        return list(self._models.values())

    @property
    def main(self) -> Json | None:
        """The run that the program made first, if it made any."""
        return next((row for row in self._runs.values() if row["main"]), None)

    async def own(self) -> str:
        """The run that gets the heartbeats' points. Where a program makes its first run after one
        had to be made for it, that one becomes the program's."""
        main, known = self.main, self._runs.get(OWN, {})
        run_id: str | None = (main or {}).get("tracking_run_id") or known.get("tracking_run_id")
        if run_id is None:
            run_id = await self._find_run({MAIN: "true"}) or await self._make_own()
        if not known.get("tracking_run_id"):
            await self._note_run(OWN, run_id)
        if main is not None and not main["tracking_run_id"]:
            await self._adopt(main, run_id)
        return run_id

    async def run(self, run: str) -> str | None:
        """One of the program's runs, or with no name the attempt's own; None for one of which
        nothing is kept."""
        row = self._runs.get(run)
        if run in (OWN, SAID) or (row is not None and row["main"]):
            return await self.own()
        if row is None:
            return None
        if row["tracking_run_id"] is None:
            found = await self._find_run({RUN: run})
            await self._note_run(run, found or await self._make_run(row))
        return row["tracking_run_id"]

    async def model(self, model: str) -> str | None:
        """One of the models that the program logged."""
        row = self._models.get(model)
        if row is None:
            return None
        if row["tracking_model_id"] is None:
            made = await self._find_model(model) or await self._make_model(row)
            await mirror.note_model(self._pool, self._mirror, model, made)
            row["tracking_model_id"] = made
        return row["tracking_model_id"]

    async def delete_twins(self) -> None:
        """Deletes what was made a second time, by somebody whose answer came too late."""
        for found in await self._search({}):
            tags = _tags(found)
            run = OWN if tags.get(MAIN) == "true" else tags.get(RUN)
            known = self._runs.get(run or OWN, {}).get("tracking_run_id")
            if run is not None and known not in (None, found["info"]["run_id"]):
                await self._delete(found["info"]["run_id"])

    async def _experiment(self) -> str:
        if self._mirror.experiment_id is None:
            self._mirror.experiment_id = await self._find_experiment()
        return self._mirror.experiment_id

    async def _find_experiment(self) -> str:
        called = {"experiment_name": f"job-{self._mirror.item.job_id}"}
        try:
            found = await self._mlflow.call("GET", "experiments/get-by-name", called)
        except MlflowRefused as refused:
            if not refused.is_missing:
                raise
            return await self._make_experiment()
        if found["experiment"].get("lifecycle_stage") == "deleted":
            raise ExperimentDeleted(str(ExperimentDeleted.__doc__))
        return found["experiment"]["experiment_id"]

    async def _make_experiment(self) -> str:
        job = self._mirror.job
        tags = {"eventrain.job_id": job["job_id"], "eventrain.project_id": job["project_id"]}
        body = {"name": f"job-{job['job_id']}", "tags": name.pairs(tags, _said)}
        try:
            made = await self._mlflow.call("POST", "experiments/create", body)
        except MlflowRefused as refused:
            if refused.is_there:
                return await self._find_experiment()
            raise
        return made["experiment_id"]

    async def _find_run(self, tags: Mapping[str, str]) -> str | None:
        found = await self._search(tags)
        first = min(found, key=lambda each: each["info"]["run_id"], default=None)
        for each in found:
            if each is not first:
                await self._delete(each["info"]["run_id"])
        return first["info"]["run_id"] if first else None

    async def _search(self, tags: Mapping[str, str]) -> list[Json]:
        wanted = {ATTEMPT: str(self._mirror.item.attempt), **tags}
        terms = [f"tags.`{key}` = '{value}'" for key, value in wanted.items()]
        body: Json = {
            "experiment_ids": [await self._experiment()],
            "filter": " and ".join(terms),
            "max_results": PAGE,
        }
        found: list[Json] = []
        while True:
            page = await self._mlflow.call("POST", "runs/search", body)
            found += page.get("runs", ())
            if not page.get("next_page_token"):
                return found
            body["page_token"] = page["next_page_token"]

    async def _make_own(self) -> str:
        job, main = self._mirror.job, self.main
        told = main or {"name": None, "tags": {}, "start_time": None}
        made = await self._create(
            told["name"] or job["name"] or f"job-{job['job_id']}",
            told["start_time"] or job["started_at"] or job["created_at"],
            {**_theirs(told["tags"]), MAIN: "true", **({RUN: main["run"]} if main else {})},
        )
        if main is None and isinstance(job["hyperparameters"], dict):
            await batch.log(self._mlflow, made, Batch(params=dict(job["hyperparameters"])))
        return made

    async def _make_run(self, row: Row) -> str:
        parent = await self.run(row["parent"]) if row["parent"] else None
        tags = {**_theirs(row["tags"]), MAIN: "false", RUN: row["run"]}
        if parent:
            tags["mlflow.parentRunId"] = parent
        started = row["start_time"] or self._mirror.job["created_at"]
        return await self._create(row["name"] or row["run"], started, tags)

    async def _create(self, called: str, started: datetime, tags: Mapping[str, str]) -> str:
        await mirror.renew(self._pool, self._mirror, now=self._now())
        body = {
            "experiment_id": await self._experiment(),
            "run_name": called,
            "start_time": name.milliseconds(started),
            "tags": name.pairs({**tags, **tags_of(self._mirror)}, name.tag),
        }
        made = await self._mlflow.call("POST", "runs/create", body)
        return made["run"]["info"]["run_id"]

    async def _adopt(self, main: Row, run_id: str) -> None:
        tags = {**_theirs(main["tags"]), RUN: main["run"]}
        await batch.log(self._mlflow, run_id, Batch(tags=tags))
        if main["name"]:
            body = {"run_id": run_id, "run_name": main["name"]}
            await self._mlflow.call("POST", "runs/update", body)
        await self._note_run(main["run"], run_id)

    async def _note_run(self, run: str, run_id: str) -> None:
        await mirror.note_run(self._pool, self._mirror, run, run_id, now=self._now())
        row = self._runs.setdefault(run, {"run": run, "main": False, "status": "running"})
        row["tracking_run_id"] = run_id

    async def _delete(self, run_id: str) -> None:
        try:
            await self._mlflow.call("POST", "runs/delete", {"run_id": run_id})
        except MlflowRefused as refused:
            if not refused.is_missing:
                raise

    async def _find_model(self, model: str) -> str | None:
        body = {
            "experiment_ids": [await self._experiment()],
            "filter": f"tags.`{MODEL}` = '{model}'",
        }
        found = await self._mlflow.call("POST", "logged-models/search", body)
        ids = [each["info"]["model_id"] for each in found.get("models", ())]
        for twin in sorted(ids)[1:]:
            await self._mlflow.call("DELETE", f"logged-models/{twin}")
        return min(ids, default=None)

    async def _make_model(self, row: Row) -> str:
        await mirror.renew(self._pool, self._mirror, now=self._now())
        tags = {**row["tags"], MODEL: row["model"], **tags_of(self._mirror)}
        body = {
            "experiment_id": await self._experiment(),
            "name": row["name"] or row["model"],
            "model_type": row["type"],
            "source_run_id": await self.run(row["run"]),
            "params": name.pairs(row["params"], name.param),
            "tags": name.pairs(tags, name.tag),
        }
        made = await self._mlflow.call("POST", "logged-models", body)
        return made["model"]["info"]["model_id"]


def tags_of(of: Mirror) -> dict[str, Any]:
    """What every run and model says of its job."""
    job = of.job
    said = {
        "eventrain.job_id": str(job["job_id"]),
        "eventrain.project_id": str(job["project_id"]),
        ATTEMPT: str(job["attempt"]),
        "eventrain.job_name": job["name"],
        "eventrain.framework": job["framework"],
        "mlflow.user": job["submitted_by"],
        **{f"eventrain.label.{key}": value for key, value in job["labels"].items()},
    }
    return {key: value for key, value in said.items() if value is not None}


def _theirs(tags: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in tags.items() if key not in OURS}


def _tags(found: Json) -> dict[str, str]:
    return {tag["key"]: tag["value"] for tag in found["data"].get("tags", ())}


def _said(value: Any) -> str:
    return str(value)
