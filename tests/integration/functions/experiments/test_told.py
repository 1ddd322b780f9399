"""What MLflow's client said in a training, told by event callbacks, folded behind the fence."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
import pytest_asyncio

from common.jobs.state import Status, Trigger
from functions.event.app import create_app
from tests.asgi import serving
from tests.jobs import apply, intent_of, make_job
from tests.keys import job_token_for, now_utc

WHEN = "2026-01-01T12:00:00Z"
MAIN, CHILD = "a" * 32, "b" * 32
MODEL = f"m-{'c' * 32}"
TOLD: list[dict[str, Any]] = [
    {"op": "run", "run": MAIN, "name": "tree", "main": True, "startTime": 1_700_000_000_123},
    {"op": "params", "run": MAIN, "params": {"depth": "3"}},
    {"op": "run", "run": CHILD, "name": "fold 1", "parent": MAIN, "tags": {"fold": "1"}},
    {"op": "metrics", "run": CHILD, "metrics": [["acc", 0.5, 1, 0], ["acc", "NaN", 2, 1]]},
    {"op": "status", "run": CHILD, "status": "FINISHED", "endTime": 1_700_000_001_000},
    {"op": "inputs", "run": MAIN, "datasets": [{"dataset": {"name": "d"}}]},
    {"op": "model", "model": MODEL, "run": MAIN, "name": "model", "type": "sklearn"},
    {"op": "model_status", "model": MODEL, "status": "READY"},
]


@pytest_asyncio.fixture
async def trainer(environ: dict[str, str]) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(create_app(environ)) as opened:
        yield opened


async def tell(
    trainer: httpx.AsyncClient, job_id: UUID, *ops: Any, attempt: int = 1, key: str | None = None
) -> httpx.Response:
    headers = {"authorization": f"Bearer {job_token_for(job_id, attempt, now_utc())}"}
    if key is not None:
        headers |= {"ce-id": key, "ce-source": "trainer", "ce-specversion": "1.0"}
    body = {"type": "mlflow", "payload": {"ops": list(ops)}, "occurredAt": WHEN}
    return await trainer.post(f"/v1/jobs/{job_id}/event", json=body, headers=headers)


async def runs_of(pool: asyncpg.Pool, job_id: UUID) -> list[asyncpg.Record]:
    return await pool.fetch(
        "select * from experiment_runs where job_id = $1 order by attempt, run", job_id
    )


class TestReport:
    async def test_becomes_runs_and_models(
        self, trainer: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        answer = await tell(trainer, job_id, *TOLD)
        assert answer.json()["data"] == {"sequence": 1}
        main, child = await runs_of(pool, job_id)
        assert (main["run"], main["main"], main["name"]) == (MAIN, True, "tree")
        assert main["parameters"] == {"depth": "3"}
        assert main["start_time"].microsecond == 123_000
        assert main["created_by"] == "ada"
        assert (child["parent"], child["status"], child["tags"]) == (
            *(MAIN, "completed", {"fold": "1"}),
        )
        assert child["metrics"] == {"acc": "NaN"}
        model = await pool.fetchrow("select * from logged_models where job_id = $1", job_id)
        assert (model["run"], model["name"], model["status"]) == (MAIN, "model", "READY")

    async def test_goes_on_where_the_one_before_ended(
        self, trainer: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        await tell(trainer, job_id, *TOLD)
        await tell(
            trainer,
            job_id,
            {"op": "params", "run": MAIN, "params": {"seed": "7"}},
            {"op": "run", "run": "d" * 32, "main": True},
        )
        main, _, third = await runs_of(pool, job_id)
        assert main["parameters"] == {"depth": "3", "seed": "7"}
        assert not third["main"]

    async def test_that_comes_again_changes_nothing(
        self, trainer: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        rename = {"op": "rename", "run": MAIN, "name": "oak"}
        first = await tell(trainer, job_id, *TOLD, key="1")
        await tell(trainer, job_id, rename, key="2")
        again = await tell(
            trainer, job_id, *TOLD, {"op": "untag", "run": MAIN, "key": "x"}, key="1"
        )
        assert again.json() == first.json()
        assert (await runs_of(pool, job_id))[0]["name"] == "oak"

    async def test_of_an_older_attempt_changes_nothing(
        self, trainer: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        await apply(pool, intent_of(job_id, Trigger.FAILED_RETRYABLE))
        answer = await tell(trainer, job_id, *TOLD)
        assert answer.status_code == 409
        assert answer.json()["data"]["code"] == "STALE_ATTEMPT"
        assert await runs_of(pool, job_id) == []
        assert (await tell(trainer, job_id, *TOLD, attempt=2)).status_code == 200
        assert {row["attempt"] for row in await runs_of(pool, job_id)} == {2}

    @pytest.mark.parametrize(
        ("op", "field"),
        [
            ({"op": "run", "run": "x"}, "payload.ops.0.run"),
            ({"op": "params", "run": MAIN, "params": {"a": 1}}, "payload.ops.0.params"),
            ({"op": "dance"}, "payload.ops.0"),
        ],
    )
    async def test_of_another_shape_is_refused_by_field(
        self, trainer: httpx.AsyncClient, pool: asyncpg.Pool, op: Any, field: str
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        answer = await tell(trainer, job_id, op)
        assert answer.status_code == 422
        assert answer.json()["data"]["errors"][0]["field"].startswith(field)
        assert await pool.fetchval("select count(*) from reports") == 0

    async def test_is_bounded_in_what_is_kept(
        self, trainer: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        await tell(trainer, job_id, *TOLD)
        many = [{"op": "run", "run": f"{number:032x}"} for number in range(1000)]
        assert (await tell(trainer, job_id, *many)).status_code == 200
        rows = await runs_of(pool, job_id)
        assert len(rows) == 1000
        (main,) = (row for row in rows if row["main"])
        assert "not kept" in main["tags"]["eventrain.dropped_runs"]
