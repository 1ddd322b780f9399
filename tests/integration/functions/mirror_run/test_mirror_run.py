"""Attempts carried to a real MLflow."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
import pytest_asyncio

from common.jobs.state import Trigger
from common.postgres import statement
from common.storage.objects import Objects, open_objects
from common.tracking.carry import LATE
from common.tracking.mlflow import Breaker, Mlflow
from functions.mirror_run.handler import OFF, PATIENCE, Deps, mirror_run
from tests.jobs import NOW, PROJECT
from tests.mlflow_server import MlflowServer
from tests.tracked import (
    CHILD,
    MAIN,
    MODEL,
    end,
    history_of,
    milliseconds,
    run_op,
    tell,
    tell_body,
    tell_points,
    tracked_job,
)

pytestmark = pytest.mark.timeout(600)


@dataclass
class Clock:
    now: datetime = NOW + timedelta(minutes=1)

    def __call__(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest_asyncio.fixture
async def objects(mlflow_server: MlflowServer) -> AsyncIterator[Objects]:
    async with open_objects(mlflow_server.storage) as opened:
        yield opened


@pytest_asyncio.fixture
async def deps(
    pool: asyncpg.Pool, mlflow_server: MlflowServer, objects: Objects, clock: Clock
) -> AsyncIterator[Deps]:
    mlflow = Mlflow(mlflow_server.url, total=60)
    yield Deps(pool, mlflow, objects, mlflow_server.storage.bucket, clock)
    await mlflow.close()


async def mirror_of(pool: asyncpg.Pool, job_id: UUID, attempt: int = 1) -> Any:
    return await pool.fetchrow(
        "select * from mirrors where job_id = $1 and attempt = $2", job_id, attempt
    )


async def work_of(pool: asyncpg.Pool, job_id: UUID) -> Any:
    return await pool.fetchrow("select * from work where kind = 'mirror' and job_id = $1", job_id)


def tags_of(run: dict[str, Any]) -> dict[str, str]:
    return {tag["key"]: tag["value"] for tag in run["data"]["tags"]}


def params_of(run: dict[str, Any]) -> dict[str, str]:
    return {param["key"]: param["value"] for param in run["data"].get("params", [])}


class TestMirrorRun:
    async def test_makes_one_run_of_a_job_that_knows_nothing_of_mlflow(
        self, pool: asyncpg.Pool, deps: Deps, mlflow_server: MlflowServer
    ) -> None:
        request = {"resolved": {"framework": "sklearn"}, "hyperparameters": {"lr": 0.1, "n": [1]}}
        job_id = await tracked_job(pool, request=request, labels={"team": "blue"})
        await tell_points(pool, job_id, [0, 1], sequence=0)
        await mirror_run(job_id, deps=deps)
        (run,) = mlflow_server.runs(job_id)
        assert run["info"]["status"] == "RUNNING"

        await tell_points(pool, job_id, [2], sequence=1)
        await end(pool, job_id)
        await mirror_run(job_id, deps=deps)

        (run,) = mlflow_server.runs(job_id)
        info = run["info"]
        assert (info["status"], info["end_time"]) == ("FINISHED", milliseconds(0))
        assert info["run_name"] == "digits"
        assert params_of(run) == {"lr": "0.1", "n": "[1]"}
        assert tags_of(run) | {
            "eventrain.job_id": str(job_id),
            "eventrain.project_id": str(PROJECT),
            "eventrain.attempt": "1",
            "eventrain.label.team": "blue",
            "eventrain.framework": "sklearn",
            "mlflow.user": "ada",
        } == tags_of(run)
        assert mlflow_server.history(info["run_id"], "loss") == history_of([0, 1, 2])
        kept = await pool.fetchval(
            "select tracking_run_id from experiment_runs where job_id = $1 and run = ''", job_id
        )
        assert kept == info["run_id"]

    async def test_carries_the_runs_that_a_program_made(
        self, pool: asyncpg.Pool, deps: Deps, mlflow_server: MlflowServer
    ) -> None:
        job_id = await tracked_job(pool)
        await tell(
            pool,
            job_id,
            run_op(tags={"mlflow.source.name": "train.py", "mlflow.user": "root"}),
            {"op": "params", "run": MAIN, "params": {"depth": "3"}},
            {"op": "tags", "run": MAIN, "tags": {"a": "1", "b": "2"}},
            {"op": "untag", "run": MAIN, "key": "a"},
            run_op(CHILD, parent=MAIN),
            {"op": "metrics", "run": CHILD, "metrics": [["f1", 0.5, 7, 1], ["f1", "NaN", 8, 2]]},
            {"op": "status", "run": CHILD, "status": "FAILED", "endTime": 9},
            {"op": "rename", "run": MAIN, "name": "the best"},
        )
        await tell_points(pool, job_id, [0], sequence=0)
        await mirror_run(None, deps=deps)

        runs = {tags_of(run)["eventrain.run"]: run for run in mlflow_server.runs(job_id)}
        main, child = runs[MAIN], runs[CHILD]
        assert (main["info"]["run_name"], main["info"]["status"]) == ("the best", "RUNNING")
        assert params_of(main) == {"depth": "3"}
        assert tags_of(main) | {"b": "2", "mlflow.user": "ada", "mlflow.source.name": "train.py"}
        assert "a" not in tags_of(main)
        assert (child["info"]["status"], child["info"]["end_time"]) == ("FAILED", 9)
        assert tags_of(child)["mlflow.parentRunId"] == main["info"]["run_id"]
        assert mlflow_server.history(child["info"]["run_id"], "f1")[0] == (1, 0.5, 7)
        assert mlflow_server.history(main["info"]["run_id"], "loss") == history_of([0])

        await end(pool, job_id, Trigger.FAILED)
        await mirror_run(job_id, deps=deps)
        runs = {tags_of(run)["eventrain.run"]: run for run in mlflow_server.runs(job_id)}
        assert {runs[MAIN]["info"]["status"], runs[CHILD]["info"]["status"]} == {"FAILED"}

    async def test_lets_a_program_s_first_run_be_the_one_that_was_made_before_it(
        self, pool: asyncpg.Pool, deps: Deps, mlflow_server: MlflowServer
    ) -> None:
        job_id = await tracked_job(pool)
        await tell_points(pool, job_id, [0], sequence=0)
        await mirror_run(job_id, deps=deps)
        await tell(pool, job_id, run_op(name="mine"))
        await tell_points(pool, job_id, [1], sequence=1)
        await mirror_run(None, deps=replace(deps, now=later(deps, seconds=10)))

        (run,) = mlflow_server.runs(job_id)
        assert run["info"]["run_name"] == "mine"
        assert tags_of(run)["eventrain.run"] == MAIN
        assert mlflow_server.history(run["info"]["run_id"], "loss") == history_of([0, 1])

    async def test_carries_heartbeats_that_came_late(
        self, pool: asyncpg.Pool, deps: Deps, mlflow_server: MlflowServer, clock: Clock
    ) -> None:
        job_id = await tracked_job(pool)
        await tell_points(pool, job_id, [0], sequence=0)
        await tell_points(pool, job_id, [3], sequence=3)
        await mirror_run(None, deps=deps)
        await tell_points(pool, job_id, [1], sequence=1)
        clock.now += timedelta(seconds=10)
        await mirror_run(None, deps=deps)
        await end(pool, job_id)
        clock.now += timedelta(seconds=10)
        await mirror_run(None, deps=deps)
        await tell_points(pool, job_id, [2], sequence=2)
        clock.now += timedelta(hours=1)
        await mirror_run(None, deps=deps)

        (run,) = mlflow_server.runs(job_id)
        assert mlflow_server.history(run["info"]["run_id"], "loss") == history_of([0, 1, 2, 3])

    async def test_carries_figures_that_people_recorded(
        self, pool: asyncpg.Pool, deps: Deps, mlflow_server: MlflowServer
    ) -> None:
        job_id = await tracked_job(pool)
        await pool.execute(
            statement("insert_metric"), uuid4(), job_id, "bleu (avg)", 0.5, None, NOW, None
        )
        await mirror_run(job_id, deps=deps)

        (run,) = mlflow_server.runs(job_id)
        ((key, value),) = [(m["key"], m["value"]) for m in run["data"]["metrics"]]
        assert key.startswith("bleu _avg__")
        assert value == 0.5

    async def test_ends_the_runs_of_an_attempt_that_is_tried_again_and_begins_new_ones(
        self, pool: asyncpg.Pool, deps: Deps, mlflow_server: MlflowServer
    ) -> None:
        job_id = await tracked_job(pool)
        await tell_points(pool, job_id, [0], sequence=0)
        await end(pool, job_id, Trigger.FAILED_RETRYABLE)
        await mirror_run(job_id, deps=deps)

        (run,) = mlflow_server.runs(job_id)
        assert run["info"]["status"] == "FAILED"
        assert tags_of(run)["eventrain.attempt"] == "1"

    async def test_makes_no_run_of_an_attempt_that_never_began(
        self, pool: asyncpg.Pool, deps: Deps
    ) -> None:
        job_id = await tracked_job(pool)
        await pool.execute("update attempts set started_at = null where job_id = $1", job_id)
        await end(pool, job_id, Trigger.FAILED)
        await mirror_run(job_id, deps=deps)

        row = await mirror_of(pool, job_id)
        assert (row["settled"], row["experiment_id"]) == (True, None)
        assert (await work_of(pool, job_id))["state"] == "done"

    async def test_settles_once_no_token_of_the_attempt_is_valid(
        self, pool: asyncpg.Pool, deps: Deps, clock: Clock
    ) -> None:
        job_id = await tracked_job(pool)
        await end(pool, job_id)
        await mirror_run(job_id, deps=deps)
        assert not (await mirror_of(pool, job_id))["settled"]
        assert (await work_of(pool, job_id))["state"] == "due"

        clock.now += LATE
        await mirror_run(None, deps=deps)

        assert (await mirror_of(pool, job_id))["settled"]
        assert (await work_of(pool, job_id))["state"] == "done"


class TestFiles:
    async def test_lie_where_mlflow_looks_for_them(
        self, pool: asyncpg.Pool, deps: Deps, mlflow_server: MlflowServer, objects: Objects
    ) -> None:
        job_id = await tracked_job(pool)
        description = (
            f"artifact_path: mlflow-artifacts:/1/models/{MODEL}/artifacts\n"
            f"model_id: {MODEL}\nrun_id: {MAIN}\n"
        )
        await leave(pool, objects, job_id, f"mlflow/models/{MODEL}/MLmodel", description)
        await leave(pool, objects, job_id, f"mlflow/models/{MODEL}/model.pkl", "weights")
        await leave(pool, objects, job_id, f"mlflow/{MAIN}/plots/loss.png", "a plot")
        await leave(pool, objects, job_id, "notes.txt", "said by the SDK")
        await tell(
            pool,
            job_id,
            run_op(),
            {"op": "model", "model": MODEL, "run": MAIN, "name": "tree", "type": "",
             "params": {"depth": "3"}, "tags": {"k": "v"}},
            {"op": "model_status", "model": MODEL, "status": "READY"},
            {"op": "outputs", "run": MAIN, "models": [{"model_id": MODEL, "step": 2}]},
            {"op": "inputs", "run": MAIN, "datasets": [{"tags": [], "dataset": {
                "name": "d", "digest": "1", "source_type": "local", "source": "{}"}}]},
        )  # fmt: skip
        await end(pool, job_id)
        await mirror_run(job_id, deps=deps)

        (run,) = mlflow_server.runs(job_id)
        run_id = run["info"]["run_id"]
        (linked,) = run["outputs"]["model_outputs"]
        found = mlflow_server.call("GET", f"logged-models/{linked['model_id']}")["model"]
        assert (found["info"]["name"], found["info"]["status"]) == ("tree", "LOGGED_MODEL_READY")
        assert found["info"]["source_run_id"] == run_id
        assert run["inputs"]["dataset_inputs"][0]["dataset"]["name"] == "d"
        files = mlflow_server.call("GET", "artifacts/list", run_id=run_id)["files"]
        assert [file["path"] for file in files] == ["notes.txt", "plots"]
        uri = found["info"]["artifact_uri"]
        key = uri.replace("mlflow-artifacts:/", "mlflow/")
        text = (await objects.get_bytes(f"{key}/MLmodel")).decode()
        assert text == f"artifact_path: {uri}\nmodel_id: {linked['model_id']}\nrun_id: {run_id}\n"
        assert await objects.get_bytes(f"{key}/model.pkl") == b"weights"


class TestLatestValues:
    async def test_of_what_is_told_point_by_point_are_no_points_of_a_later_pass(
        self, pool: asyncpg.Pool, deps: Deps, mlflow_server: MlflowServer, clock: Clock
    ) -> None:
        job_id = await tracked_job(pool)
        await tell_points(pool, job_id, [1, 2], sequence=1)
        await mirror_run(job_id, deps=deps)
        latest = {"sequence": 2, "step": 2, "metrics": {"loss": 1 / 3, "lr": 0.5}}
        await tell_body(pool, job_id, latest)
        clock.now += timedelta(minutes=2)
        await mirror_run(job_id, deps=deps)

        (run,) = mlflow_server.runs(job_id)
        run_id = run["info"]["run_id"]
        assert mlflow_server.history(run_id, "loss") == history_of([1, 2])
        assert [(s, v) for s, v, _ in mlflow_server.history(run_id, "lr")] == [(2, 0.5)]


class TestOutage:
    async def test_loses_nothing_and_says_what_stands_in_the_way(
        self, pool: asyncpg.Pool, deps: Deps, mlflow_server: MlflowServer, clock: Clock
    ) -> None:
        job_id = await tracked_job(pool)
        for number in range(5):
            await tell_points(pool, job_id, [number], sequence=number)
            away = number in (1, 2, 3)
            if number == 1:
                mlflow_server.kill()
            if number == 4:
                await asyncio.to_thread(mlflow_server.start)
            mlflow = Mlflow(mlflow_server.url, total=60, breaker=Breaker())
            await mirror_run(None, deps=replace(deps, mlflow=mlflow))
            await mlflow.close()
            error = (await mirror_of(pool, job_id))["error"]
            assert ("MlflowUnavailable" in (error or "")) is away
            clock.now += timedelta(minutes=2)

        (run,) = mlflow_server.runs(job_id)
        assert mlflow_server.history(run["info"]["run_id"], "loss") == history_of(range(5))

    async def test_is_waited_for_but_not_for_ever(
        self, pool: asyncpg.Pool, deps: Deps, clock: Clock
    ) -> None:
        job_id = await tracked_job(pool)
        await end(pool, job_id)
        nowhere = replace(deps, mlflow=Mlflow("http://127.0.0.1:9"))
        await mirror_run(None, deps=nowhere)
        assert (await work_of(pool, job_id))["state"] == "due"

        clock.now += PATIENCE
        await mirror_run(None, deps=nowhere)

        assert (await work_of(pool, job_id))["state"] == "dead"
        assert (await mirror_of(pool, job_id))["settled"]

    async def test_ends_what_nobody_carries_where_mlflow_is_off(
        self, pool: asyncpg.Pool, deps: Deps
    ) -> None:
        job_id = await tracked_job(pool)
        await mirror_run(None, deps=replace(deps, mlflow=None))

        work = await work_of(pool, job_id)
        assert (work["state"], work["last_error"]) == ("dead", OFF)


class TestRestoredMlflow:
    async def test_hears_all_of_an_attempt_again(
        self, pool: asyncpg.Pool, deps: Deps, mlflow_server: MlflowServer, clock: Clock
    ) -> None:
        job_id = await tracked_job(pool)
        await tell_points(pool, job_id, [0], sequence=0)
        await pool.execute(
            "update mirrors set beat_sequence = 0, experiment_id = '123456' where job_id = $1",
            job_id,
        )
        await pool.execute(statement("note_tracking_run"), job_id, 1, "", "f" * 32, uuid4(), NOW)
        await tell_points(pool, job_id, [1], sequence=1)
        await mirror_run(job_id, deps=deps)

        (run,) = mlflow_server.runs(job_id)
        assert mlflow_server.history(run["info"]["run_id"], "loss") == history_of([0, 1])


async def leave(
    pool: asyncpg.Pool, objects: Objects, job_id: UUID, called: str, content: str
) -> None:
    """A file of the first attempt, told of at its end."""
    key = f"jobs/{job_id}/1/artifacts/{called}"
    await objects.put_bytes(key, content.encode())
    told = [{"name": called, "uri": f"s3://eventrain/{key}"}]
    await pool.execute(statement("insert_artifacts"), job_id, 1, told, NOW)


def later(deps: Deps, *, seconds: float) -> Callable[[], datetime]:
    return lambda: deps.now() + timedelta(seconds=seconds)
