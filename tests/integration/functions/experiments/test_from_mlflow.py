"""Experiment runs from a real MLflow server, and without it when it is killed."""

import time
from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import msgspec
import pytest
import pytest_asyncio

from common.jobs import beat, report
from common.jobs.beat import Beat
from common.jobs.report import Report
from common.jobs.state import Status
from common.postgres import transaction
from common.storage.objects import open_objects
from common.tracking import name
from common.tracking.mlflow import Mlflow
from functions.experiments.app import create_app
from functions.mirror_run.handler import Deps, mirror_run
from tests.catalogue import OTHER_PROJECT, caller
from tests.jobs import NOW, make_job
from tests.keys import now_utc
from tests.mlflow_server import MlflowServer
from tests.tracked import run_op, tell, tell_points, tracked_job

API = "/llm-ops/v1"
MAIN, CHILD = "a" * 32, "b" * 32
FROM_MLFLOW = "From MLflow."
AWAY = "From our own records: MLflow does not answer just now."


@pytest.fixture
def mlflow(mlflow_server: MlflowServer) -> Iterator[MlflowServer]:
    """Whoever kills it finds it running again."""
    mlflow_server.start()
    yield mlflow_server
    mlflow_server.start()


@pytest_asyncio.fixture
async def client(environ: dict[str, str], mlflow: MlflowServer) -> AsyncIterator[httpx.AsyncClient]:
    async with caller(create_app(environ | {"MLFLOW_TRACKING_URI": mlflow.url})) as opened:
        yield opened


class Mirror:
    """Puts runs into MLflow as mirror-run does: by what they are found again."""

    def __init__(self, pool: asyncpg.Pool, server: MlflowServer) -> None:
        self._pool = pool
        self._server = server

    async def open(self, job_id: UUID) -> str:
        made = self._server.call("POST", "experiments/create", name=f"job-{job_id}")
        await self._pool.execute(
            "insert into mirrors (job_id, attempt, experiment_id, created_at, updated_at)"
            " values ($1, 1, $2, $3, $3)",
            job_id,
            made["experiment_id"],
            NOW,
        )
        return made["experiment_id"]

    async def carry(self, experiment: str, job_id: UUID, run: str = "", **told: Any) -> str:
        """A run, with `metrics` and `params`."""
        tags = {"eventrain.job_id": job_id, "eventrain.attempt": 1}
        tags |= {"eventrain.run": run} if run else {}
        tags |= {"eventrain.main": "false" if run == CHILD else "true"}
        info = self._make(experiment, tags, told.get("name", "mirrored"))
        metrics = [_metric(name, value) for name, value in told.get("metrics", {}).items()]
        params = [{"key": key, "value": value} for key, value in told.get("params", {}).items()]
        self._server.call("POST", "runs/log-batch", run_id=info, metrics=metrics, params=params)
        if status := told.get("status"):
            at = 1_800_000_000_000
            self._server.call("POST", "runs/update", run_id=info, status=status, end_time=at)
        await self._note(job_id, run, info)
        return info

    async def _note(self, job_id: UUID, run: str, tracking_run_id: str) -> None:
        await self._pool.execute(
            "insert into experiment_runs (id, job_id, attempt, run, status, tracking_run_id,"
            " created_by, created_at, updated_at)"
            " values ($1, $2, 1, $3, 'running', $4, 'ada', $5, $5)"
            " on conflict (job_id, attempt, run) do update set tracking_run_id = $4",
            uuid4(),
            job_id,
            run,
            tracking_run_id,
            NOW,
        )

    def _make(self, experiment: str, tags: dict[str, Any], name: str) -> str:
        made = self._server.call(
            "POST",
            "runs/create",
            experiment_id=experiment,
            run_name=name,
            start_time=1_700_000_000_000,
            tags=[{"key": key, "value": str(value)} for key, value in tags.items()],
        )
        return made["run"]["info"]["run_id"]


def _metric(name: str, value: Any) -> dict[str, Any]:
    return {"key": name, "value": value, "timestamp": 1, "step": 0}


@pytest.fixture
def mirror(pool: asyncpg.Pool, mlflow: MlflowServer) -> Mirror:
    return Mirror(pool, mlflow)


async def make(pool: asyncpg.Pool, **fields: Any) -> UUID:
    request = {"resolved": {}, "hyperparameters": {"lr": 0.1, "layers": [1, 2]}}
    job_id = await make_job(pool, Status.RUNNING, request=request, **fields)
    text = msgspec.json.encode({"sequence": 1, "metrics": {"loss": 0.5, "late": 1}}).decode()
    await beat.record(pool, [Beat(job_id, 1, 1, "", text)], now=NOW)
    return job_id


async def carry(pool: asyncpg.Pool, server: MlflowServer, job_id: UUID) -> None:
    """What mirror-run does when it is woken."""
    mlflow = Mlflow(server.url, total=60)
    try:
        async with open_objects(server.storage) as objects:
            deps = Deps(pool, mlflow, objects, server.storage.bucket, now_utc)
            await mirror_run(job_id, deps=deps)
    finally:
        await mlflow.close()


async def read(client: httpx.AsyncClient, job_id: UUID) -> tuple[dict[str, Any], str]:
    answer = await client.get(f"{API}/training/jobs/{job_id}/experiment-run")
    assert answer.status_code == 200, answer.text
    return answer.json()["data"], answer.json()["message"]


async def search(
    client: httpx.AsyncClient, text: str = "", **more: Any
) -> tuple[list[dict[str, Any]], str]:
    answer = await client.post(f"{API}/experiments/search", json={"filterString": text} | more)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]["experiments"], answer.json()["message"]


class TestRun:
    async def test_is_as_mlflow_has_it_with_what_it_lacks_yet(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool, mirror: Mirror
    ) -> None:
        job_id = await make(pool)
        run_id = await mirror.carry(
            await mirror.open(job_id),
            job_id,
            name="renamed there",
            metrics={"loss": 0.25, "norm": "NaN"},
            params={"lr": "0.2", "layers": "[1,2]", "seed": "7"},
            status="FINISHED",
        )
        run, message = await read(client, job_id)
        assert message == FROM_MLFLOW
        assert (run["trackingSystem"], run["trackingRunId"]) == ("mlflow", run_id)
        assert run["runName"] == "renamed there"
        assert run["metrics"] == {"loss": 0.25, "late": 1, "norm": "NaN"}
        assert run["parameters"] == {"lr": "0.2", "layers": [1, 2], "seed": "7"}
        assert (run["status"], run["startTime"], run["endTime"]) == (
            *("completed", "2023-11-14T22:13:20Z", "2027-01-15T08:00:00Z"),
        )

    async def test_that_mlflow_has_not_heard_of_is_ours(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        run, message = await read(client, await make(pool))
        assert message == "From our own records: MLflow has not heard of this run yet."
        assert run["metrics"] == {"loss": 0.5, "late": 1}

    async def test_that_was_deleted_there_is_ours(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        job_id = await make(pool)
        await pool.execute(
            "insert into experiment_runs (id, job_id, attempt, run, status, tracking_run_id,"
            " created_by, created_at, updated_at)"
            " values ($1, $2, 1, '', 'running', $3, 'ada', $4, $4)",
            uuid4(),
            job_id,
            "0" * 32,
            NOW,
        )
        run, message = await read(client, job_id)
        assert message == "From our own records: MLflow could not answer this."
        assert run["metrics"]["loss"] == 0.5


class TestSearch:
    async def test_asks_mlflow_in_its_own_words(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool, mirror: Mirror
    ) -> None:
        first, second = await make(pool), await make(pool)
        for job_id, loss in ((first, 0.1), (second, 0.2)):
            told = {"metrics": {"loss": loss, "eval/f1 score": loss}, "params": {"opt": "it's"}}
            await mirror.carry(await mirror.open(job_id), job_id, **told)
        for text in (
            "metrics.loss < 0.15",
            'metrics.`eval/f1 score` < 0.15 and params.opt = "it\'s"',
            "metrics.loss <= 1e-1 AND params.opt LIKE 'it%' AND status = 'running'",
            "metrics.loss < 0.15 and start_time <= 1700000000000 and run_name ilike 'MIRR%'",
            "metrics.loss < 0.15 and params.opt NOT IN ('x', 'y') and status in ('RUNNING')",
        ):
            runs, message = await search(client, text)
            assert message == FROM_MLFLOW, text
            assert [run["trainingJobId"] for run in runs] == [str(first)], text

    async def test_adds_what_is_not_mirrored_yet(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool, mirror: Mirror
    ) -> None:
        there, here = await make(pool), await make(pool)
        await mirror.carry(await mirror.open(there), there, metrics={"loss": 0.4})
        runs, message = await search(client, "metrics.loss < 0.6")
        assert message == FROM_MLFLOW
        assert {run["trainingJobId"]: run["trackingSystem"] for run in runs} == {
            str(there): "mlflow",
            str(here): "eventrain",
        }

    async def test_finds_nested_runs_and_the_adopted_main_one(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool, mirror: Mirror
    ) -> None:
        job_id = await make(pool)
        ops = [
            {"op": "run", "run": MAIN, "main": True, "name": "tree"},
            {"op": "run", "run": CHILD, "parent": MAIN, "name": "fold"},
        ]
        told = Report(job_id, 1, "1", "mlflow", {"ops": ops}, NOW)
        async with transaction(pool) as connection:
            await report.keep(connection, told, now=NOW)
        experiment = await mirror.open(job_id)
        main = await mirror.carry(experiment, job_id, name="tree")
        child = await mirror.carry(experiment, job_id, CHILD, name="fold")
        runs, _ = await search(client)
        assert {run["trackingRunId"]: run["runName"] for run in runs} == {
            main: "tree",
            child: "fold",
        }
        assert runs[0]["id"] in {run["parentRunId"] for run in runs} | {runs[0]["id"]}

    async def test_shows_nothing_of_others_whatever_lies_in_mlflow(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool, mirror: Mirror
    ) -> None:
        mine, theirs = await make(pool), await make(pool, project_id=OTHER_PROJECT)
        experiment, other = await mirror.open(mine), await mirror.open(theirs)
        await mirror.carry(experiment, mine, metrics={"loss": 0.1})
        await mirror.carry(other, theirs, metrics={"loss": 0.1})
        # Somebody may make runs there by hand, and mark them as they like.
        await mirror.carry(experiment, theirs, metrics={"loss": 0.1})
        runs, _ = await search(client, "metrics.loss = 0.1")
        assert [run["trainingJobId"] for run in runs] == [str(mine)]
        runs, _ = await search(client, experimentName=f"job-{theirs}")
        assert runs == []

    async def test_leaves_what_mlflow_cannot_say_to_our_records(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool, mirror: Mirror
    ) -> None:
        job_id = await make(pool)
        await mirror.carry(await mirror.open(job_id), job_id, params={"lr": "0.1"})
        runs, message = await search(client, "params.lr IN ('0.1', '0.2')")
        assert message == "From our own records: MLflow's filters cannot say this."
        assert [run["trainingJobId"] for run in runs] == [str(job_id)]


class TestMirror:
    async def test_carries_what_people_say_of_a_run(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool, mlflow: MlflowServer
    ) -> None:
        job_id = await tracked_job(pool, request={"hyperparameters": {"lr": 0.1, "top@5": 1}})
        path = f"{API}/training/jobs/{job_id}/experiment-run"
        said = {"runName": "first", "parameters": {"seed": 7}}
        assert (await client.post(path, json=said)).status_code == 200
        told = {"metrics": {"acc@5": 0.5, "norm": "NaN"}, "step": 3}
        assert (await client.post(f"{path}/metrics", json=told)).status_code == 200
        waiting = (await client.get(f"{API}/health/integrations")).json()["data"]["integrations"]
        assert waiting["mlflow"]["backlog"]["attempts"] == 1
        await carry(pool, mlflow, job_id)
        run, message = await read(client, job_id)
        assert message == FROM_MLFLOW
        assert (run["runName"], run["trackingSystem"]) == ("first", "mlflow")
        assert run["parameters"] == {"lr": 0.1, "top@5": 1, "seed": 7}
        assert run["metrics"] == {"acc@5": 0.5, "norm": "NaN"}
        (there,) = mlflow.runs(job_id)
        assert run["trackingRunId"] == there["info"]["run_id"]
        assert {each["key"]: each["value"] for each in there["data"]["params"]}["seed"] == "7"
        assert mlflow.history(run["trackingRunId"], name.key("acc@5"))[0][:2] == (3, 0.5)
        runs, message = await search(client, "metrics.`acc@5` > 0.4 and params.seed = '7'")
        assert ([found["id"] for found in runs], message) == ([run["id"]], FROM_MLFLOW)
        waiting = (await client.get(f"{API}/health/integrations")).json()["data"]["integrations"]
        assert waiting["mlflow"]["backlog"] == {"attempts": 0, "since": None}

    async def test_carries_a_programs_runs_which_are_found_there(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool, mlflow: MlflowServer
    ) -> None:
        job_id = await tracked_job(pool)
        await tell_points(pool, job_id, [0, 1], sequence=1)
        child = {"op": "metrics", "run": CHILD, "metrics": [["acc", 0.75, 1000, 0]]}
        await tell(pool, job_id, run_op(), run_op(CHILD, parent=MAIN), child)
        await carry(pool, mlflow, job_id)
        runs, message = await search(client)
        assert message == FROM_MLFLOW
        assert {run["runName"]: run["metrics"] for run in runs} == {
            "run a": {"loss": 0.5},
            "run b": {"acc": 0.75},
        }
        assert {run["trackingSystem"] for run in runs} == {"mlflow"}


class TestOutage:
    async def test_costs_nobody_time_and_is_seen(
        self,
        client: httpx.AsyncClient,
        pool: asyncpg.Pool,
        mirror: Mirror,
        mlflow: MlflowServer,
    ) -> None:
        job_id = await make(pool)
        await mirror.carry(await mirror.open(job_id), job_id, metrics={"loss": 0.25})
        health = f"{API}/health/integrations"
        assert (await client.get(health)).json()["data"]["overall_status"] == "ok"
        mlflow.kill()
        for _ in range(5):
            run, message = await read(client, job_id)
            assert message == AWAY
            assert run["metrics"] == {"loss": 0.5, "late": 1}
        runs, message = await search(client, "metrics.loss > 0.3")
        assert (len(runs), message) == (1, AWAY)
        state = (await client.get(health)).json()["data"]
        assert state["overall_status"] == "degraded"
        assert state["integrations"]["mlflow"]["status"] == "down"
        mlflow.start()
        deadline = time.monotonic() + 100
        while (await read(client, job_id))[1] != FROM_MLFLOW:
            assert time.monotonic() < deadline
        runs, message = await search(client, "metrics.loss < 0.3")
        assert (len(runs), message) == (1, FROM_MLFLOW)
        assert (await client.get(health)).json()["data"]["overall_status"] == "ok"
