"""Experiment runs from our own records, where MLflow is off."""

import math
from collections.abc import AsyncIterator
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
from common.jobs.state import Status, Trigger
from common.postgres import transaction
from functions.experiments.app import create_app
from tests.catalogue import OTHER_PROJECT, bearer, caller
from tests.jobs import NOW, PROJECT, apply, intent_of, make_job

API = "/llm-ops/v1"
MAIN, CHILD = "a" * 32, "b" * 32
FIELDS = {
    *("id", "trainingJobId", "trackingSystem", "trackingRunId", "experimentName", "runName"),
    *("parameters", "metrics", "artifactUris", "status", "startTime", "endTime"),
    *("createdAt", "updatedAt"),
}


@pytest_asyncio.fixture
async def client(environ: dict[str, str]) -> AsyncIterator[httpx.AsyncClient]:
    async with caller(create_app(environ)) as opened:
        yield opened


def path_of(job_id: object) -> str:
    return f"{API}/training/jobs/{job_id}/experiment-run"


async def read(client: httpx.AsyncClient, job_id: UUID) -> dict[str, Any]:
    answer = await client.get(path_of(job_id))
    assert answer.status_code == 200, answer.text
    assert answer.json()["message"] == "From our own records: MLflow is off."
    return answer.json()["data"]


async def say(client: httpx.AsyncClient, job_id: UUID, **said: Any) -> dict[str, Any]:
    answer = await client.post(path_of(job_id), json=said)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


async def search(client: httpx.AsyncClient, text: str = "", **more: Any) -> list[dict[str, Any]]:
    answer = await client.post(
        f"{API}/experiments/search", json={"filterString": text, "maxResults": 1000} | more
    )
    assert answer.status_code == 200, answer.text
    data = answer.json()["data"]
    assert data["total"] == len(data["experiments"])
    return data["experiments"]


async def tell(pool: asyncpg.Pool, job_id: UUID, *ops: Any, attempt: int = 1) -> None:
    told = Report(job_id, attempt, str(uuid4()), "mlflow", {"ops": list(ops)}, NOW)
    async with transaction(pool) as connection:
        await report.keep(connection, told, now=NOW)


async def beat_once(
    pool: asyncpg.Pool, job_id: UUID, sequence: int = 1, attempt: int = 1, **body: Any
) -> None:
    text = msgspec.json.encode({"sequence": sequence, **body}).decode()
    await beat.record(pool, [Beat(job_id, attempt, sequence, "", text)], now=NOW)


class TestRun:
    async def test_of_a_job_without_mlflow_is_made_of_the_job(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        request = {"resolved": {}, "hyperparameters": {"lr": 0.1, "layers": [1, 2]}}
        job_id = await make_job(pool, Status.RUNNING, request=request)
        await beat_once(pool, job_id, metrics={"loss": 0.5, "norm": "NaN"})
        uri = f"s3://eventrain/jobs/{job_id}/1/artifacts/a"
        row = [{"name": "a", "uri": uri, "sha256": None, "size": 1}]
        async with transaction(pool) as connection:
            await report.add_artifacts(connection, job_id, 1, row, now=NOW)
        run = await read(client, job_id)
        assert run.keys() >= FIELDS
        assert run["trainingJobId"] == str(job_id)
        assert (run["trackingSystem"], run["trackingRunId"]) == ("eventrain", None)
        assert (run["experimentName"], run["runName"]) == (f"job-{job_id}", "digits")
        assert run["parameters"] == {"lr": 0.1, "layers": [1, 2]}
        assert run["metrics"] == {"loss": 0.5, "norm": "NaN"}
        assert run["artifactUris"] == [uri]
        assert (run["status"], run["endTime"]) == ("running", None)
        assert run["startTime"] == "2026-01-01T12:00:00Z"
        assert run["id"] == (await read(client, job_id))["id"]

    @pytest.mark.parametrize(
        ("status", "shown"),
        [
            (Status.PENDING, "running"),
            (Status.SUCCEEDED, "completed"),
            (Status.FAILED, "failed"),
            (Status.CANCELLED, "killed"),
        ],
    )
    async def test_has_the_state_of_its_job(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool, status: Status, shown: str
    ) -> None:
        run = await read(client, await make_job(pool, status))
        assert run["status"] == shown
        assert (run["endTime"] is None) == (shown == "running")

    async def test_is_the_main_one_of_its_program(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING, request={"hyperparameters": {"x": 1}})
        await beat_once(pool, job_id, metrics={"loss": 0.5})
        await tell(
            pool,
            job_id,
            {"op": "run", "run": MAIN, "name": "tree", "main": True, "tags": {"t": "1"}},
            {"op": "params", "run": MAIN, "params": {"depth": "3"}},
            {"op": "run", "run": CHILD, "parent": MAIN},
            {"op": "metrics", "run": CHILD, "metrics": [["acc", 1, 1, 1]]},
        )
        run = await read(client, job_id)
        assert (run["runName"], run["parameters"], run["metrics"], run["tags"]) == (
            *("tree", {"depth": "3"}, {"loss": 0.5}, {"t": "1"}),
        )

    async def test_is_in_the_experiment_that_its_program_chose_unless_people_name_another(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        begun = {"op": "run", "run": MAIN, "main": True, "parent": None}
        await tell(pool, job_id, begun | {"experiment": f"job-{job_id}"})
        assert (await read(client, job_id))["experimentName"] == f"job-{job_id}"
        await tell(pool, job_id, begun | {"run": CHILD, "parent": "mine", "experiment": "trees"})
        assert (await read(client, job_id))["experimentName"] == "trees"
        assert len(await search(client, experimentName="trees")) == 2
        said = await say(client, job_id, experimentName="woods")
        assert said["experimentName"] == "woods"

    async def test_that_its_program_never_ended_ends_with_the_attempt(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        await tell(pool, job_id, {"op": "run", "run": MAIN, "main": True})
        await apply(pool, intent_of(job_id, Trigger.FAILED))
        run = await read(client, job_id)
        assert run["status"] == "failed"
        assert run["endTime"] is not None

    async def test_is_that_of_the_newest_attempt(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        await tell(pool, job_id, {"op": "run", "run": MAIN, "main": True, "name": "old"})
        await apply(pool, intent_of(job_id, Trigger.FAILED_RETRYABLE))
        run = await read(client, job_id)
        assert (run["attempt"], run["runName"], run["status"]) == (2, "digits", "running")

    async def test_of_others_is_not_there(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        theirs = await make_job(pool, project_id=OTHER_PROJECT)
        for job_id in (theirs, uuid4(), "nonsense"):
            assert (await client.get(path_of(job_id))).status_code == 404
            assert (await client.post(path_of(job_id), json={})).status_code == 404


class TestWord:
    async def test_names_the_run_and_adds_parameters(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING, request={"hyperparameters": {"lr": 0.1}})
        await say(client, job_id, experimentName="digits", runName="first", parameters={"a": 1})
        run = await say(client, job_id, parameters={"b": [2]})
        assert (run["experimentName"], run["runName"]) == ("digits", "first")
        assert run["parameters"] == {"lr": 0.1, "a": 1, "b": [2]}

    async def test_stands_beside_what_the_program_tells_later(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        said = await say(client, job_id, runName="first", parameters={"a": 1})
        await tell(
            pool,
            job_id,
            {"op": "run", "run": MAIN, "main": True, "name": "tree"},
            {"op": "params", "run": MAIN, "params": {"depth": "3"}},
        )
        run = await read(client, job_id)
        assert (run["runName"], run["parameters"]) == ("first", {"a": 1, "depth": "3"})
        assert run["createdAt"] >= said["createdAt"]

    async def test_is_numbered_among_the_reports_and_is_no_sign_of_life(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        await tell(pool, job_id, {"op": "run", "run": MAIN, "main": True})
        seen = await pool.fetchval("select last_seen from beats")
        await say(client, job_id, experimentName="e", runName="r", parameters={"a": 1, "b": "x"})
        await tell(pool, job_id, {"op": "rename", "run": MAIN, "name": "z"})
        rows = await pool.fetch("select number, payload from reports order by number")
        assert [row["number"] for row in rows] == [1, 2, 3]
        assert rows[1]["payload"]["ops"] == [
            {"op": "rename", "run": "", "name": "r"},
            {"op": "tags", "run": "", "tags": {"eventrain.experiment_name": "e"}},
            {"op": "params", "run": "", "params": {"a": "1", "b": "x"}},
        ]
        assert await pool.fetchval("select last_seen from beats") == seen

    @pytest.mark.parametrize(
        ("said", "field"),
        [
            ({"runName": ""}, "runName"),
            ({"experimentName": "x" * 251}, "experimentName"),
            ({"parameters": []}, "parameters"),
            ({"parameters": {f"p{n}": 1 for n in range(1001)}}, "parameters"),
        ],
    )
    async def test_of_another_shape_is_refused_by_field(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool, said: Any, field: str
    ) -> None:
        answer = await client.post(path_of(await make_job(pool)), json=said)
        assert answer.status_code == 422
        assert answer.json()["data"]["errors"][0]["field"] == field

    async def test_that_would_make_parameters_too_many_changes_nothing(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        job_id = await make_job(pool)
        await say(client, job_id, parameters={f"p{n}": 1 for n in range(1000)})
        answer = await client.post(path_of(job_id), json={"runName": "x", "parameters": {"q": 1}})
        assert answer.status_code == 422
        run = await read(client, job_id)
        assert (run["runName"], len(run["parameters"])) == ("digits", 1000)


class TestMetrics:
    async def test_are_added_with_their_step(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        await beat_once(pool, job_id, metrics={"loss": 0.5, "acc": 0.1})
        for step, told in enumerate(({"acc": 0.2}, {"acc": 0.3, "norm": "NaN", "f1": "Infinity"})):
            answer = await client.post(
                f"{path_of(job_id)}/metrics", json={"metrics": told, "step": step}
            )
            assert answer.status_code == 200, answer.text
        assert answer.json()["data"]["metrics"] == {
            "loss": 0.5,
            "acc": 0.3,
            "norm": "NaN",
            "f1": "Infinity",
        }
        rows = await pool.fetch("select name, value, step from metrics order by step, name")
        assert [tuple(row)[::2] for row in rows] == [("acc", 0), ("acc", 1), ("f1", 1), ("norm", 1)]
        assert math.isnan(rows[3]["value"])

    @pytest.mark.parametrize(
        "told",
        [
            {},
            {"metrics": {}},
            {"metrics": {"a": "x"}},
            {"metrics": {"": 1}},
            {"metrics": {"a": 1}, "step": 2**63},
        ],
    )
    async def test_of_another_shape_are_refused(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool, told: Any
    ) -> None:
        job_id = await make_job(pool)
        answer = await client.post(f"{path_of(job_id)}/metrics", json=told)
        assert answer.status_code == 422
        assert await pool.fetchval("select count(*) from metrics") == 0

    async def test_are_not_for_who_may_only_look(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        job_id = await make_job(pool)
        for path, said in (
            (path_of(job_id), {}),
            (f"{path_of(job_id)}/metrics", {"metrics": {"a": 1}}),
        ):
            answer = await client.post(path, json=said, headers=bearer({PROJECT: "viewer"}))
            assert answer.status_code == 403


class TestSearch:
    @pytest_asyncio.fixture
    async def made(self, pool: asyncpg.Pool) -> dict[str, UUID]:
        """A job without MLflow, and one with a main run and a child."""
        plain = await make_job(
            pool,
            Status.SUCCEEDED,
            name="plain_one",
            request={"hyperparameters": {"lr": 0.1, "opt": "adam"}},
        )
        await beat_once(pool, plain, metrics={"loss": 0.5, "norm": "NaN"})
        tracked = await make_job(pool, Status.RUNNING, name="tracked")
        await beat_once(pool, tracked, metrics={"loss": 0.25})
        await tell(
            pool,
            tracked,
            {
                "op": "run",
                "run": MAIN,
                "name": "tree",
                "main": True,
                "tags": {"team": "Vision"},
                "startTime": 1_800_000_000_000,
            },
            {"op": "params", "run": MAIN, "params": {"opt": "sgd", "f1 score": "x"}},
            {"op": "run", "run": CHILD, "parent": MAIN, "name": "100%", "startTime": 1},
            {"op": "metrics", "run": CHILD, "metrics": [["eval/acc", 0.75, 1, 1]]},
            {"op": "status", "run": CHILD, "status": "KILLED"},
        )
        return {"plain_one": plain, "tracked": tracked}

    async def test_shows_all_newest_first(
        self, client: httpx.AsyncClient, made: dict[str, UUID]
    ) -> None:
        found = await search(client)
        assert [run["runName"] for run in found] == ["tree", "plain_one", "100%"]
        assert found[2]["parentRunId"] == found[0]["id"]
        assert [run["runName"] for run in await search(client, maxResults=2)] == [
            *("tree", "plain_one"),
        ]

    @pytest.mark.parametrize(
        ("text", "names"),
        [
            ("metrics.loss < 0.3", ["tree"]),
            ("metrics.loss <= 0.5 and params.opt = 'adam'", ["plain_one"]),
            ("metrics.loss >= 0.25", ["tree", "plain_one"]),
            ("metrics.loss > 0.5", []),
            ("metrics.loss != 0.5", ["tree"]),
            ("metrics.`eval/acc` = 0.75", ["100%"]),
            ("params.lr = '0.1'", ["plain_one"]),
            ("params.opt LIKE 'ad%'", ["plain_one"]),
            ("params.opt LIKE 'AD%'", []),
            ("params.opt ILIKE 'AD%'", ["plain_one"]),
            ("params.opt IN ('sgd', 'lion')", ["tree"]),
            ("params.opt NOT IN ('sgd')", ["plain_one"]),
            ("params.\"f1 score\" = 'x'", ["tree"]),
            ("params.opt != 'adam'", ["tree"]),
            ("tags.team ilike 'vis%'", ["tree"]),
            ("tags.team = 'vision'", []),
            ("status = 'FINISHED'", ["plain_one"]),
            ("attributes.status = 'killed'", ["100%"]),
            ("attributes.status IN ('RUNNING', 'KILLED')", ["tree", "100%"]),
            ("run_name = 'tree'", ["tree"]),
            ("run_name LIKE '100\\%'", []),
            ("run_name LIKE '%\\'", []),
            ("start_time > 1790000000000", ["tree"]),
            ("end_time > 0 and status = 'completed'", ["plain_one"]),
            (f"run_id = '{MAIN}'", ["tree"]),
            ("params.opt = ''' or true --'", None),
        ],
    )
    async def test_knows_mlflows_filters(
        self, client: httpx.AsyncClient, made: dict[str, UUID], text: str, names: list[str] | None
    ) -> None:
        if names is None:
            answer = await client.post(f"{API}/experiments/search", json={"filterString": text})
            assert answer.status_code == 422
            return
        assert [run["runName"] for run in await search(client, text)] == names

    async def test_is_narrowed_to_an_experiment(
        self, client: httpx.AsyncClient, made: dict[str, UUID]
    ) -> None:
        (run,) = await search(client, experimentName=f"job-{made['plain_one']}")
        assert run["trainingJobId"] == str(made["plain_one"])
        await say(client, made["plain_one"], experimentName="named")
        (run,) = await search(client, experimentName="named")
        assert run["trainingJobId"] == str(made["plain_one"])
        assert await search(client, experimentName="other") == []

    async def test_shows_nothing_of_others(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool, made: dict[str, UUID]
    ) -> None:
        theirs = await make_job(pool, project_id=OTHER_PROJECT, name="theirs")
        assert "theirs" not in {run["runName"] for run in await search(client)}
        assert await search(client, experimentName=f"job-{theirs}") == []
        client.headers.update(bearer({}, administers=True))
        assert "theirs" in {run["runName"] for run in await search(client)}

    @pytest.mark.parametrize(
        ("asked", "field"),
        [
            ({"filterString": "metrics.loss <"}, "filterString"),
            ({"filterString": "x" * 4001}, "filterString"),
            ({"maxResults": 0}, "maxResults"),
            ({"maxResults": 1001}, "maxResults"),
        ],
    )
    async def test_refuses_what_it_cannot_read_by_field(
        self, client: httpx.AsyncClient, asked: Any, field: str
    ) -> None:
        answer = await client.post(f"{API}/experiments/search", json=asked)
        assert answer.status_code == 422
        assert answer.json()["data"]["errors"][0]["field"] == field

    async def test_leaves_no_row_in_the_audit(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        await search(client)
        assert await pool.fetchval("select count(*) from audit") == 0


class TestHealth:
    async def test_says_that_mlflow_is_off(self, client: httpx.AsyncClient) -> None:
        answer = await client.get(f"{API}/health/integrations", headers=bearer({}))
        health = answer.json()["data"]
        assert health["overall_status"] == "ok"
        assert health["checked_at"]
        assert health["integrations"]["mlflow"] == {
            "enabled": False,
            "status": "off",
            "backlog": {"attempts": 0, "since": None},
            "last_error": None,
            "registry": {"pending": 0, "failed": 0},
        }

    async def test_says_that_mlflow_is_down_and_what_waits(
        self, environ: dict[str, str], pool: asyncpg.Pool
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        await beat_once(pool, job_id, metrics={"loss": 1})
        await pool.execute(
            "insert into work (kind, job_id, attempt, state, next_at, created_at, last_error)"
            " values ('mirror', $1, 1, 'due', $2, $2, 'of somebody')",
            job_id,
            NOW,
        )
        settings = environ | {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}
        async with caller(create_app(settings)) as client:
            health = (await client.get(f"{API}/health/integrations")).json()["data"]
            for _ in range(4):
                run = (await client.get(path_of(job_id))).json()
        assert health["overall_status"] == "degraded"
        state = health["integrations"]["mlflow"]
        assert (state["enabled"], state["status"]) == (True, "down")
        assert state["backlog"] == {"attempts": 1, "since": "2026-01-01T12:00:00Z"}
        assert "of somebody" not in str(health)
        assert state["last_error"]
        assert run["data"]["trackingSystem"] == "eventrain"

    async def test_knows_no_backlog_of_what_was_carried(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        await beat_once(pool, job_id, metrics={"loss": 1})
        await pool.execute(
            "insert into work (kind, job_id, attempt, state, next_at, created_at)"
            " values ('mirror', $1, 1, 'due', $2, $2)",
            job_id,
            NOW,
        )
        await pool.execute(
            "insert into mirrors (job_id, attempt, beat_sequence, caught_up_at, created_at,"
            " updated_at) values ($1, 1, 1, $2, $2, $2)",
            job_id,
            NOW,
        )
        path = f"{API}/health/integrations"
        waiting = (await client.get(path)).json()["data"]["integrations"]["mlflow"]["backlog"]
        assert waiting == {"attempts": 0, "since": None}
        await beat_once(pool, job_id, 2, metrics={"loss": 2})
        waiting = (await client.get(path)).json()["data"]["integrations"]["mlflow"]["backlog"]
        assert waiting["attempts"] == 1

    async def test_is_for_who_is_signed_in(self, client: httpx.AsyncClient) -> None:
        client.headers.pop("authorization")
        assert (await client.get(f"{API}/health/integrations")).status_code == 401
