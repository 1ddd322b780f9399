"""Jobs as users see and stop them, on a real Postgres."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import msgspec
import pytest
import pytest_asyncio

from common.jobs import beat
from common.jobs.beat import Beat
from common.jobs.state import Status, Trigger
from functions.jobs.app import create_app
from tests.catalogue import OTHER_PROJECT, bearer, caller
from tests.jobs import PROJECT, apply, intent_of, make_job, make_model

JOBS = "/llm-ops/v1/training/jobs"
CONTRACT = {
    *("id", "modelId", "datasetId", "jobType", "status", "submittedAt", "startedAt"),
    *("completedAt", "experimentUrl", "resourceProfile", "outputModelStorageUri"),
    *("outputModelEntryId", "name", "labels", "projectId", "submittedBy", "queuedAt", "progress"),
    *("attempt", "retryCount", "maxRetries", "statusReason", "waitingFor", "traceId", "health"),
    *("observed", "reported"),
}
CANCELS = [("DELETE", JOBS + "/{}"), ("POST", JOBS + "/{}/cancel"), ("POST", "/v1/jobs/{}/cancel")]


@pytest_asyncio.fixture
async def client(environ: dict[str, str]) -> AsyncIterator[httpx.AsyncClient]:
    async with caller(create_app(environ)) as opened:
        yield opened


async def show(client: httpx.AsyncClient, job_id: UUID) -> dict[str, Any]:
    answer = await client.get(f"{JOBS}/{job_id}")
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


async def listed(client: httpx.AsyncClient, **params: Any) -> list[str]:
    answer = await client.get(JOBS, params=params)
    assert answer.status_code == 200, answer.text
    return [each["id"] for each in answer.json()["data"]["jobs"]]


async def tell(pool: asyncpg.Pool, job_id: UUID, at: datetime, **body: Any) -> None:
    text = msgspec.json.encode({"sequence": 1, **body}).decode()
    async with pool.acquire() as connection:
        await beat.record(connection, [Beat(job_id, 1, 1, "", text)], now=at)


class TestOneJob:
    @pytest.mark.parametrize("path", [JOBS, "/v1/jobs"])
    async def test_is_shown_with_all_that_the_contract_names(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool, path: str
    ) -> None:
        job_id = await make_job(pool)
        job = (await client.get(f"{path}/{job_id}")).json()["data"]
        assert job.keys() >= CONTRACT
        assert (job["id"], job["status"], job["health"]) == (str(job_id), "pending", None)

    async def test_of_others_is_not_there(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        theirs = await make_job(pool, project_id=OTHER_PROJECT)
        for job_id in (theirs, uuid4(), "nonsense"):
            answer = await client.get(f"{JOBS}/{job_id}")
            assert (answer.status_code, answer.json()["data"]["code"]) == (404, "NOT_FOUND")

    async def test_shows_what_its_trainer_said_last(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        now = datetime.now(UTC)
        await tell(pool, job_id, now, epoch=2, totalEpochs=8, metrics={"loss": "NaN"})
        job = await show(client, job_id)
        assert (job["health"], job["progress"]) == ("alive", 0.25)
        assert job["reported"]["metrics"] == {"loss": "NaN"}
        assert datetime.fromisoformat(job["reported"]["at"]) == now

    async def test_that_has_not_been_heard_for_three_beats_is_silent_but_running(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        await tell(pool, job_id, datetime.now(UTC) - timedelta(seconds=31))
        job = await show(client, job_id)
        assert (job["status"], job["health"]) == ("running", "silent")

    async def test_that_stalled_is_shown_so_until_it_moves_on(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        await apply(pool, intent_of(job_id, Trigger.STALLED))
        assert (await show(client, job_id))["health"] == "stalled"
        await tell(pool, job_id, datetime.now(UTC), step=5)
        assert (await show(client, job_id))["health"] == "alive"

    async def test_that_is_over_has_no_health(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        job = await show(client, await make_job(pool, Status.SUCCEEDED))
        assert (job["health"], job["progress"]) == (None, 1.0)


class TestList:
    async def test_is_paged_newest_first_without_gap_or_repeat(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        made = {str(await make_job(pool)) for _ in range(5)}
        seen: list[str] = []
        cursor: str | None = None
        while cursor or not seen:
            params = {"limit": 2} | ({"cursor": cursor} if cursor else {})
            page = (await client.get(JOBS, params=params)).json()["data"]
            seen += [each["id"] for each in page["jobs"]]
            cursor = page["nextCursor"]
        assert (len(seen), set(seen)) == (5, made)

    async def test_shows_the_callers_projects_alone(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        mine = await make_job(pool)
        await make_job(pool, project_id=OTHER_PROJECT)
        assert await listed(client) == [str(mine)]
        answer = await client.get(JOBS, params={"projectId": str(OTHER_PROJECT)})
        assert answer.status_code == 404

    async def test_is_empty_for_a_token_without_a_project(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        await make_job(pool)
        client.headers.update(bearer({uuid4(): "viewer"}))
        assert await listed(client) == []

    @pytest.mark.parametrize(
        ("params", "expected"),
        [
            ({"status": "running"}, "b"),
            ({"status": ["running", "failed"]}, "bc"),
            ({"submittedBy": "bob"}, "a"),
            ({"label": "team=vision"}, "ab"),
            ({"label": "team:vision"}, "ab"),
            ({"label": ["team=vision", "tier=1"]}, "b"),
            ({"label": "url=http://x"}, "c"),
            ({"q": "ALPHA"}, "a"),
            ({"q": "100%_"}, "b"),
            ({"q": "1000"}, ""),
            ({"projectId": str(PROJECT), "q": ""}, "abc"),
            ({"modelId": "44444444-4444-4444-8444-444444444444"}, "c"),
        ],
    )
    async def test_is_narrowed_by(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool, params: dict[str, Any], expected: str
    ) -> None:
        team = {"team": "vision"}
        model = await make_model(pool, UUID("44444444-4444-4444-8444-444444444444"))
        made = {
            "a": await make_job(pool, name="Alpha", labels=team, submitted_by="bob"),
            "b": await make_job(pool, Status.RUNNING, name="100%_", labels=team | {"tier": "1"}),
            "c": await make_job(
                pool, Status.FAILED, name="gamma", labels={"url": "http://x"}, model_id=model
            ),
        }
        names = {str(job_id): name for name, job_id in made.items()}
        assert sorted(names[each] for each in await listed(client, **params)) == list(expected)

    async def test_finds_a_job_by_how_its_id_begins(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        job_id = str(await make_job(pool))
        assert await listed(client, q=job_id[:12]) == [job_id]

    @pytest.mark.parametrize(
        ("params", "field"),
        [
            *(({"limit": 0}, "limit"), ({"limit": 201}, "limit"), ({"cursor": "x"}, "cursor")),
            *(({"status": "done"}, "status.0"), ({"label": "team"}, "label.0")),
            *(({"modelId": "7"}, "modelId"), ({"q": "a\0"}, "q")),
        ],
    )
    async def test_refuses_by_field(
        self, client: httpx.AsyncClient, params: dict[str, Any], field: str
    ) -> None:
        answer = await client.get(JOBS, params=params)
        fields = [each["field"] for each in answer.json()["data"]["errors"]]
        assert (answer.status_code, fields) == (422, [field])


class TestCancel:
    @pytest.mark.parametrize(("method", "path"), CANCELS)
    async def test_a_job_that_was_never_launched_is_cancelled_at_once(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool, method: str, path: str
    ) -> None:
        job_id = await make_job(pool)
        job = (await client.request(method, path.format(job_id))).json()["data"]
        assert (job["status"], job["statusReason"]) == ("cancelled", "cancelled by ada")

    @pytest.mark.parametrize("status", [Status.QUEUED, Status.RUNNING])
    async def test_a_launched_job_is_told_to_stop(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool, status: Status
    ) -> None:
        job_id = await make_job(pool, status)
        job = (await client.delete(f"{JOBS}/{job_id}")).json()["data"]
        assert (job["status"], job["health"]) == (status, "cancelling")
        assert await pool.fetchval("select command from beats") == "checkpoint_and_stop"

    @pytest.mark.parametrize("status", [Status.PENDING, Status.QUEUED, Status.RUNNING])
    async def test_asked_again_answers_alike_and_changes_nothing(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool, status: Status
    ) -> None:
        job_id = await make_job(pool, status)
        first = await client.delete(f"{JOBS}/{job_id}")
        events = await pool.fetchval("select count(*) from job_events")
        second = await client.delete(f"{JOBS}/{job_id}")
        assert (second.status_code, second.json()) == (200, first.json())
        assert await pool.fetchval("select count(*) from job_events") == events

    async def test_many_at_once_are_one(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        job_id = await make_job(pool, Status.RUNNING)
        before = await pool.fetchval("select count(*) from job_events")
        calls = (client.delete(f"{JOBS}/{job_id}") for _ in range(6))
        assert {answer.status_code for answer in await asyncio.gather(*calls)} == {200}
        assert await pool.fetchval("select count(*) from job_events") == before + 1

    @pytest.mark.parametrize("status", [Status.SUCCEEDED, Status.FAILED])
    async def test_a_job_that_ended_otherwise_is_a_conflict(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool, status: Status
    ) -> None:
        job_id = await make_job(pool, status)
        answer = await client.delete(f"{JOBS}/{job_id}")
        assert (answer.status_code, answer.json()["data"]["code"]) == (409, "CONFLICT")
        assert (await show(client, job_id))["status"] == status

    async def test_a_viewer_may_not(self, client: httpx.AsyncClient, pool: asyncpg.Pool) -> None:
        job_id = await make_job(pool)
        viewer = bearer({PROJECT: "viewer"})
        assert (await client.delete(f"{JOBS}/{job_id}", headers=viewer)).status_code == 403
        assert (await show(client, job_id))["status"] == "pending"

    async def test_of_others_is_not_there(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        theirs = await make_job(pool, project_id=OTHER_PROJECT)
        assert (await client.delete(f"{JOBS}/{theirs}")).status_code == 404
        assert await pool.fetchval("select status from jobs") == "pending"


async def test_an_unknown_path_is_answered_in_the_envelope(client: httpx.AsyncClient) -> None:
    answer = await client.get("/llm-ops/v1/serving/endpoints")
    assert (answer.status_code, answer.json()["status"]) == (404, "fail")
