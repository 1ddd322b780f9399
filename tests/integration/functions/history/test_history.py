"""What happened to a job, as users see it, on a real Postgres."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
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
from common.postgres import statement
from functions.history.app import create_app
from tests.catalogue import OTHER_PROJECT, bearer, caller
from tests.jobs import NOW, PROJECT, apply, intent_of, make_job
from tests.keys import forged, job_token_for

JOBS = "/llm-ops/v1/training/jobs"
EXPERIMENTS = "/llm-ops/v1/training/experiments"
COLLECTIONS = ["timeline", "attempts", "points", "logs", "checkpoints", "validations", "artifacts"]


@pytest_asyncio.fixture
async def client(environ: dict[str, str]) -> AsyncIterator[httpx.AsyncClient]:
    async with caller(create_app(environ)) as opened:
        yield opened


async def read(client: httpx.AsyncClient, job_id: UUID, name: str, **params: Any) -> Any:
    answer = await client.get(f"{JOBS}/{job_id}/{name}", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


async def read_all(client: httpx.AsyncClient, job_id: UUID, name: str, **params: Any) -> list[Any]:
    rows: list[Any] = []
    while True:
        page = await read(client, job_id, name, **params)
        rows += page["lines" if name == "logs" else name]
        if page["nextCursor"] is None:
            return rows
        params["cursor"] = page["nextCursor"]


async def tell(
    pool: asyncpg.Pool, job_id: UUID, kind: str, key: str, attempt: int = 1, **payload: Any
) -> None:
    told = Report(job_id, attempt, key, kind, payload, NOW)
    async with pool.acquire() as connection:
        recorded = await report.record(connection, told, now=NOW)
        if kind == "checkpoint_saved":
            await report.add_checkpoint(connection, told, recorded.number, now=NOW)


async def beat_once(pool: asyncpg.Pool, job_id: UUID, sequence: int, **body: Any) -> None:
    text = msgspec.json.encode({"sequence": sequence, **body}).decode()
    async with pool.acquire() as connection:
        at = NOW + timedelta(seconds=sequence)
        await beat.record(connection, [Beat(job_id, 1, sequence, "", text)], now=at)


class TestEveryCollection:
    @pytest.mark.parametrize("name", COLLECTIONS)
    async def test_of_others_is_not_there(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool, name: str
    ) -> None:
        theirs = await make_job(pool, project_id=OTHER_PROJECT)
        for job_id in (theirs, uuid4(), "nonsense"):
            assert (await client.get(f"{JOBS}/{job_id}/{name}")).status_code == 404
        assert (await client.get(f"{EXPERIMENTS}/{theirs}")).status_code == 404

    @pytest.mark.parametrize("name", COLLECTIONS)
    async def test_refuses_a_cursor_that_is_none(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool, name: str
    ) -> None:
        job_id = await make_job(pool)
        answer = await client.get(f"{JOBS}/{job_id}/{name}", params={"cursor": "bogus"})
        assert answer.status_code == 422


class TestTimeline:
    async def test_tells_changes_and_reports_page_by_page_and_leaves_logs_out(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        await tell(pool, job_id, "epoch_end", "1", epoch=1)
        await tell(pool, job_id, "log", "2", lines=["a"])
        lines = await read_all(client, job_id, "timeline", limit=1)
        kinds = [line["type"].removeprefix("dev.eventrain.") for line in lines]
        assert kinds == [*("job.submitted.v1", "job.queued.v1", "job.started.v1", "epoch_end")]
        assert [line["sequence"] for line in lines] == [1, 2, 3, 1]
        assert (lines[2]["from"], lines[2]["to"], lines[3]["detail"]) == (
            *("queued", "running", {"epoch": 1}),
        )


class TestAttempts:
    async def test_each_says_what_ended_it(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        await apply(pool, intent_of(job_id, Trigger.FAILED_RETRYABLE))
        await pool.execute("update attempts set log_uri = 's3://eventrain/l' where attempt = 1")
        first, second = await read_all(client, job_id, "attempts", limit=1)
        assert (first["outcome"], first["errorClass"], first["rule"]) == (
            *("failed", "transient", "test"),
        )
        assert (first["reason"], first["budgetLeft"]) == ("as told", 0)
        assert "X-Amz-Signature" in first["logUrl"]
        assert (second["attempt"], second["outcome"], second["logUrl"]) == (2, None, None)


class TestPoints:
    async def test_come_from_metrics_and_points_of_heartbeats(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        point = {"name": "lr", "value": 0.1, "step": 3, "time": "2026-01-01T12:00:00Z"}
        await beat_once(pool, job_id, 1, step=4, metrics={"loss": "NaN"}, points=[point])
        assert await read_all(client, job_id, "points") == [
            {
                "name": "loss",
                "value": "NaN",
                "step": 4,
                "attempt": 1,
                "time": "2026-01-01T12:00:01Z",
            },
            point | {"attempt": 1},
        ]

    async def test_are_paged_by_heartbeats_in_their_order(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        rows = [(job_id, 1, n, NOW, {"step": n, "metrics": {"loss": n}}) for n in range(1200)]
        await pool.executemany("insert into heartbeats values ($1, $2, $3, $4, $5)", rows)
        points = await read_all(client, job_id, "points")
        assert [each["value"] for each in points] == list(range(1200))

    async def test_end_a_page_before_it_is_too_large(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        for n in range(12):
            await beat_once(pool, job_id, n, metrics={"loss": n}, message="x" * (1 << 20))
        first = await read(client, job_id, "points")
        assert (len(first["points"]), first["nextCursor"] is None) == (4, False)
        points = await read_all(client, job_id, "points")
        assert [each["value"] for each in points] == list(range(12))

    async def test_are_narrowed_by_name_time_and_resolution(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        for n in range(100):
            await beat_once(pool, job_id, n, metrics={"loss": n % 30, "accuracy": -n})
        since = (NOW + timedelta(seconds=4)).isoformat()
        params = {"names": "loss,lr", "from": since, "resolution": 10}
        points = await read_all(client, job_id, "points", **params)
        assert {each["name"] for each in points} == {"loss"}
        values = [each["value"] for each in points]
        assert (values[0], min(values), max(values), values[-1]) == (4, 0, 29, 9)
        assert len(points) <= 10

    @pytest.mark.parametrize(
        ("name", "value"), [("from", "yesterday"), ("resolution", "0"), ("resolution", "x")]
    )
    async def test_refuses_by_field(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool, name: str, value: str
    ) -> None:
        job_id = await make_job(pool)
        answer = await client.get(f"{JOBS}/{job_id}/points", params={name: value})
        assert answer.json()["data"]["errors"][0]["field"] == name


class TestLogs:
    async def test_are_lines_in_order_and_then_the_pods_own(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        await tell(pool, job_id, "log", "1", lines=["a", "b"], stream="stdout", offset=0)
        await tell(pool, job_id, "log", "2", lines=["c"], stream="stdout", offset=2)
        await pool.execute("update attempts set log_uri = 's3://eventrain/jobs/pod.log'")
        lines = await read_all(client, job_id, "logs", limit=1)
        assert [(line["offset"], line["text"]) for line in lines] == [(0, "a"), (1, "b"), (2, "c")]
        (kept,) = (await read(client, job_id, "logs"))["podLogs"]
        assert "X-Amz-Signature" in kept["url"]

    async def test_end_a_page_before_it_is_too_large(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        for n in range(12):
            await tell(pool, job_id, "log", str(n), lines=[f"{n}" + "x" * (1 << 20)])
        assert len((await read(client, job_id, "logs"))["lines"]) == 4
        lines = await read_all(client, job_id, "logs")
        assert [line["text"].rstrip("x") for line in lines] == [str(n) for n in range(12)]

    async def test_are_shown_whatever_a_trainer_calls_a_log(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        await tell(pool, job_id, "log", "1", lines=["a", 7], offset="x")
        await tell(pool, job_id, "log", "2", lines=3)
        await tell(pool, job_id, "log", "3", message="b")
        lines = (await read(client, job_id, "logs"))["lines"]
        assert [(line["offset"], line["text"]) for line in lines] == [(0, "a"), (1, "7")]


class TestValidations:
    async def test_are_shown_newest_first_page_by_page(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        for epoch in (1, 2, 3):
            await tell(pool, job_id, "validation", str(epoch), epoch=epoch, metrics={"f1": 0.5})
            await tell(pool, job_id, "epoch_end", f"end-{epoch}", epoch=epoch)
        matrix = {"confusionMatrix": [[3, 1], [0, 4]], "labels": ["a", "b"]}
        figures = {"a": {"recall": 0.75}}
        await tell(pool, job_id, "validation", "4", **matrix, perClass=figures)

        found = await read_all(client, job_id, "validations", limit=1)

        assert [each["epoch"] for each in found] == [None, 3, 2, 1]
        assert found[0] == {
            "number": 7,
            "attempt": 1,
            "epoch": None,
            "step": None,
            "metrics": {},
            "perClass": figures,
            "at": "2026-01-01T12:00:00Z",
            **matrix,
        }

    async def test_are_found_by_an_index_of_their_own(self, pool: asyncpg.Pool) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute("set local enable_seqscan = off")
            plan = await connection.fetch(
                "explain " + statement("read_validations"), job_id, 2**62, 1
            )
        assert "reports_validations" in "\n".join(line[0] for line in plan)


class TestFiles:
    async def test_checkpoints_and_artifacts_have_presigned_addresses(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        uri = f"s3://eventrain/jobs/{job_id}/1/x"
        saved = {"name": "e1", "uri": uri, "sha256": "ab", "size": 5, "epoch": 1}
        await tell(pool, job_id, "checkpoint_saved", "1", **saved)
        files = [
            {"name": "a", "uri": uri, "sha256": "cd", "size": 7},
            {"name": "b", "uri": "s3://elsewhere/b"},
        ]
        async with pool.acquire() as connection:
            await report.add_artifacts(connection, job_id, 1, files, now=NOW)
        (checkpoint,) = await read_all(client, job_id, "checkpoints")
        assert (checkpoint["epoch"], checkpoint["sha256"]) == (1, "ab")
        first, second = await read_all(client, job_id, "artifacts", limit=1)
        for url in (first["url"], checkpoint["url"]):
            assert f"/eventrain/jobs/{job_id}/1/x?" in url
        assert (second["name"], second["url"]) == ("b", None)


class TestMetrics:
    async def record(
        self, client: httpx.AsyncClient, job_id: UUID, token: str | None = None, **body: Any
    ) -> httpx.Response:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        body = {"name": "accuracy", "value": 0.9} | body
        return await client.post(f"{JOBS}/{job_id}/metrics", json=body, headers=headers)

    async def test_a_members_figure_is_shown_with_the_experiment(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        job_id = await make_job(pool)
        made = (await self.record(client, job_id, unit="%")).json()["data"]
        assert made.keys() == {"id", "trainingJobId", "name", "value", "unit", "recordedAt"}
        nan = (await self.record(client, job_id, value="NaN")).json()["data"]
        shown = (await client.get(f"{EXPERIMENTS}/{job_id}")).json()["data"]
        assert shown == {"jobId": str(job_id), "metrics": [made, nan]}
        assert nan["value"] == "NaN"

    async def test_the_trainer_of_the_present_attempt_may(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        token = job_token_for(job_id, 1, datetime.now(UTC))
        assert (await self.record(client, job_id, token)).status_code == 200

    async def test_the_trainer_of_an_older_attempt_is_told_to_stop(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        await apply(pool, intent_of(job_id, Trigger.FAILED_RETRYABLE))
        token = job_token_for(job_id, 1, datetime.now(UTC))
        answer = await self.record(client, job_id, token)
        assert (answer.status_code, answer.json()["data"]["code"]) == (409, "STALE_ATTEMPT")
        assert await pool.fetchval("select count(*) from metrics") == 0

    async def test_nobody_else_may(self, client: httpx.AsyncClient, pool: asyncpg.Pool) -> None:
        job_id, other = await make_job(pool), await make_job(pool)
        now = datetime.now(UTC)
        tokens = [
            (job_token_for(other, 1, now), 401),
            (forged(job_id, now, secret=b"x" * 32), 401),
            (forged(job_id, now, secret=None, algorithm="none"), 401),
            (bearer({PROJECT: "viewer"})["authorization"].split()[1], 403),
            (bearer({OTHER_PROJECT: "admin"})["authorization"].split()[1], 404),
        ]
        for token, status in tokens:
            assert (await self.record(client, job_id, token)).status_code == status
        assert await pool.fetchval("select count(*) from metrics") == 0

    @pytest.mark.parametrize(
        "body", [{"value": "much"}, {"value": True}, {"value": None}, {"name": ""}]
    )
    async def test_refuses_what_is_no_figure(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool, body: dict[str, Any]
    ) -> None:
        answer = await self.record(client, await make_job(pool), **body)
        assert answer.status_code == 422
