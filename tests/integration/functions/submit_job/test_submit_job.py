"""Submissions over HTTP, on a real Postgres."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest
import pytest_asyncio

from common.jobs.state import Status
from functions.submit_job.app import create_app
from tests.catalogue import OTHER_PROJECT, bearer, caller
from tests.jobs import NOW, PROJECT, TRACEPARENT, make_job

JOBS = "/llm-ops/v1/training/jobs"
PROFILE = {"cpuCores": 1, "memory": "1Gi", "maxDuration": 10}
REQUEST: dict[str, Any] = {
    "name": "digits demo",
    "jobType": "from_scratch",
    "useGpu": False,
    "resourceProfile": PROFILE,
    "hyperparameters": {"architecture": "mlp", "epochs": 8},
}
ON_GPU = {
    "useGpu": True,
    "resourceProfile": {"gpuCount": 2, "gpuType": "nvidia-t4", "maxDuration": 60},
}
KEY = {"idempotency-key": "once"}
TABLES = ("jobs", "attempts", "beats", "job_events", "work", "model_reservations")


@pytest_asyncio.fixture
async def client(environ: dict[str, str]) -> AsyncIterator[httpx.AsyncClient]:
    async with caller(create_app(environ)) as opened:
        yield opened


async def submit(client: httpx.AsyncClient, **changes: Any) -> dict[str, Any]:
    answer = await client.post(JOBS, json=REQUEST | changes)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


async def refusal(client: httpx.AsyncClient, raw: Any, **options: Any) -> list[str]:
    answer = await client.post(JOBS, json=raw, **options)
    assert answer.status_code == 422, answer.text
    return [each["field"] for each in answer.json()["data"]["errors"]]


async def counts(pool: asyncpg.Pool) -> dict[str, int]:
    return {name: await pool.fetchval(f"select count(*) from {name}") for name in TABLES}


async def stored(pool: asyncpg.Pool, job_id: str) -> dict[str, Any]:
    return await pool.fetchval("select request from jobs where id = $1", UUID(job_id))


async def insert_model(pool: asyncpg.Pool, project: UUID = PROJECT) -> str:
    return str(
        await pool.fetchval(
            """insert into models (id, project_id, name, version, type, status, storage_uri,
            created_by, created_at, updated_at)
            values ($1, $2, 'm', $3, 'base', 'draft', 's3://eventrain/models/m/1/', 'ada', $4, $4)
            returning id""",
            uuid4(),
            project,
            uuid4().hex,
            NOW,
        )
    )


async def insert_dataset(pool: asyncpg.Pool, project: UUID = PROJECT) -> str:
    return str(
        await pool.fetchval(
            """insert into datasets (id, project_id, name, version, storage_uri, pii_scan_status,
            created_by, created_at, updated_at)
            values ($1, $2, 'd', $3, 's3://eventrain/datasets/d/', 'pending', 'ada', $4, $4)
            returning id""",
            uuid4(),
            project,
            uuid4().hex,
            NOW,
        )
    )


class TestSubmitJob:
    @pytest.mark.parametrize("path", [JOBS, "/v1/jobs"])
    async def test_writes_the_job_with_all_that_belongs_to_it(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool, path: str
    ) -> None:
        answer = await client.post(path, json=REQUEST | {"labels": {"team": "vision"}})
        job = answer.json()["data"]
        assert (job["status"], job["attempt"], job["submittedBy"]) == ("pending", 1, "ada")
        assert (job["projectId"], job["labels"]) == (str(PROJECT), {"team": "vision"})
        assert (job["resourceProfile"], job["useGpu"]) == (PROFILE, False)
        assert (job["outputModelName"], job["outputModelVersion"]) == ("digits-demo", "1")
        assert await counts(pool) == dict.fromkeys(TABLES, 1)

    async def test_the_requests_trace_is_the_jobs(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        answer = await client.post(JOBS, json=REQUEST, headers={"traceparent": TRACEPARENT})
        trace_id = TRACEPARENT.split("-")[1]
        assert answer.json()["data"]["traceId"] == trace_id
        assert trace_id in await pool.fetchval("select traceparent from job_events")

    async def test_fixes_what_the_job_runs_with(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        job = await submit(client, **ON_GPU, secrets={"HF_TOKEN": "huggingface/token"})
        resolved = (await stored(pool, job["id"]))["resolved"]
        assert resolved["framework"] == "sklearn"
        assert resolved["image"] == "eventrain/trainer-sklearn:0.1.0"
        assert resolved["command"] == ["python", "-m", "eventrain_trainer", "run"]
        assert (resolved["cpu"], resolved["memory"], resolved["sharedMemory"]) == (
            *("8", "32Gi", "8Gi"),
        )
        assert resolved["gpu"]["count"] == 2
        assert resolved["gpu"]["nodeSelector"] == {"nvidia.com/gpu.product": "Tesla-T4"}
        secret = {"name": f"project-{PROJECT}.huggingface", "key": "token"}
        assert resolved["secrets"] == {"HF_TOKEN": secret}

    async def test_resolves_what_the_catalog_holds(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        model, dataset = await insert_model(pool), await insert_dataset(pool)
        job = await submit(client, jobType="finetune", modelId=model, datasetId=dataset)
        resolved = (await stored(pool, job["id"]))["resolved"]
        assert resolved["modelUri"] == "s3://eventrain/models/m/1/"
        assert resolved["datasetUri"] == "s3://eventrain/datasets/d/"

    async def test_a_spec_chooses_its_own_image(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        spec = {"job_type": "SFT", "model_family": "llama", "base_model_ref": "llama-3-8b"}
        job = await submit(client, trainJobSpec=spec, hyperparameters={"architecture": "llama"})
        resolved = (await stored(pool, job["id"]))["resolved"]
        assert (resolved["framework"], resolved["image"]) == (
            *("transformers", "eventrain/trainer-transformers:0.1.0"),
        )


class TestEveryViolation:
    async def test_is_told_in_one_answer_with_what_is_not_there(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        theirs = await insert_dataset(pool, OTHER_PROJECT)
        found = await refusal(
            client,
            REQUEST
            | {
                "labels": 5,
                "jobType": "finetune",
                "modelId": str(uuid4()),
                "datasetId": theirs,
                "checkpoint": {"jobId": str(uuid4())},
                "env": {"JOB_ID": "1"},
            },
        )
        assert sorted(found) == [
            *("checkpoint", "datasetId", "env.JOB_ID", "labels", "modelId"),
        ]
        assert await counts(pool) == dict.fromkeys(TABLES, 0)

    async def test_includes_a_project_that_must_be_named(self, client: httpx.AsyncClient) -> None:
        both = bearer({PROJECT: "member", OTHER_PROJECT: "member"})
        found = await refusal(client, REQUEST | {"stallPolicy": "no"}, headers=both)
        assert found == ["stallPolicy", "projectId"]

    async def test_includes_a_model_address_that_is_taken(self, client: httpx.AsyncClient) -> None:
        named = {"outputModelName": "Digits", "outputModelVersion": "V1.0"}
        await submit(client, **named)
        again = REQUEST | named | {"outputModelName": "digits", "outputModelVersion": "v1.0"}
        assert await refusal(client, again) == ["outputModelVersion"]

    @pytest.mark.parametrize("raw", [[], "job", 5, True])
    async def test_of_what_is_no_object_is_one(self, client: httpx.AsyncClient, raw: Any) -> None:
        assert await refusal(client, raw) == ["body"]

    async def test_a_checkpoint_of_an_earlier_job_is_found(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        earlier = await make_job(pool, Status.FAILED)
        await pool.execute(
            """insert into checkpoints (id, job_id, attempt, number, name, uri, sha256, size, epoch,
            created_at) values ($1, $2, 1, 1, 'e3', 's3://eventrain/c', 'ab', 5, 3, $3)""",
            uuid4(),
            earlier,
            NOW,
        )
        job = await submit(client, checkpoint={"jobId": str(earlier)})
        assert (await stored(pool, job["id"]))["resolved"]["checkpoint"] == {
            "uri": "s3://eventrain/c",
            "sha256": "ab",
            "size": 5,
            "step": None,
            "epoch": 3,
        }


class TestWhoMaySubmit:
    async def test_a_member(self, client: httpx.AsyncClient) -> None:
        answer = await client.post(JOBS, json=REQUEST, headers=bearer({PROJECT: "member"}))
        assert answer.status_code == 200

    async def test_not_a_viewer(self, client: httpx.AsyncClient, pool: asyncpg.Pool) -> None:
        answer = await client.post(JOBS, json={}, headers=bearer({PROJECT: "viewer"}))
        assert answer.status_code == 403
        assert await counts(pool) == dict.fromkeys(TABLES, 0)

    async def test_not_into_a_project_of_others(self, client: httpx.AsyncClient) -> None:
        answer = await client.post(JOBS, json=REQUEST | {"projectId": str(OTHER_PROJECT)})
        assert answer.status_code == 404

    async def test_nobody_without_a_token(self, client: httpx.AsyncClient) -> None:
        answer = await client.post(JOBS, json=REQUEST, headers={"authorization": ""})
        assert answer.status_code == 401


class TestDryRun:
    async def test_shows_the_job_and_creates_nothing(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        headers = {"idempotency-key": "dry"}
        answer = await client.post(f"{JOBS}?dryRun=true", json=REQUEST, headers=headers)
        job = answer.json()["data"]
        assert (job["id"], job["status"], job["outputModelVersion"]) == (None, "pending", "1")
        assert await counts(pool) == dict.fromkeys(TABLES, 0)
        assert await pool.fetchval("select count(*) from idempotency_keys") == 0

    async def test_is_refused_like_any_other(self, client: httpx.AsyncClient) -> None:
        raw = REQUEST | {"datasetId": str(uuid4())}
        assert await refusal(client, raw, params={"dryRun": "true"}) == ["datasetId"]


class TestIdempotencyKey:
    async def test_the_same_request_makes_one_job(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        first = await client.post(JOBS, json=REQUEST, headers=KEY)
        rewritten = dict(reversed(REQUEST.items()))
        second = await client.post(JOBS, json=rewritten, headers=KEY)
        assert first.json() == second.json()
        assert await counts(pool) == dict.fromkeys(TABLES, 1)

    async def test_many_at_once_make_one_job(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        calls = (client.post(JOBS, json=REQUEST, headers=KEY) for _ in range(8))
        answers = await asyncio.gather(*calls)
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.json()["data"]["id"] for answer in answers}) == 1
        assert await counts(pool) == dict.fromkeys(TABLES, 1)

    async def test_another_request_is_a_conflict(self, client: httpx.AsyncClient) -> None:
        await client.post(JOBS, json=REQUEST, headers=KEY)
        answer = await client.post(JOBS, json=REQUEST | {"name": "other"}, headers=KEY)
        assert answer.status_code == 409
        assert answer.json()["data"]["code"] == "IDEMPOTENCY_MISMATCH"

    async def test_is_each_callers_and_projects_own(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        elsewhere = bearer({OTHER_PROJECT: "member"})
        await client.post(JOBS, json=REQUEST, headers=KEY)
        await client.post(JOBS, json=REQUEST, headers=KEY | elsewhere)
        assert (await counts(pool))["jobs"] == 2

    async def test_what_was_accepted_is_answered_though_the_offer_has_changed(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        dataset = await insert_dataset(pool)
        raw = REQUEST | {"datasetId": dataset}
        first = await client.post(JOBS, json=raw, headers=KEY)
        await pool.execute("delete from datasets")
        assert (await client.post(JOBS, json=raw, headers=KEY)).json() == first.json()

    async def test_is_forgotten_after_a_day(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        await client.post(JOBS, json=REQUEST, headers=KEY)
        await pool.execute(
            "update idempotency_keys set created_at = created_at - interval '25 hours'"
        )
        answer = await client.post(JOBS, json=REQUEST | {"name": "new"}, headers=KEY)
        assert answer.status_code == 200
        assert (await counts(pool))["jobs"] == 2

    @pytest.mark.parametrize("key", ["", "a b", "x" * 256])
    async def test_must_be_visible_characters(self, client: httpx.AsyncClient, key: str) -> None:
        found = await refusal(client, REQUEST, headers={"idempotency-key": key})
        assert found == ["Idempotency-Key"]


class TestResubmit:
    async def again(self, client: httpx.AsyncClient, job_id: UUID | str, **body: Any) -> Any:
        return await client.post(f"{JOBS}/{job_id}/resubmit", json=body)

    async def test_makes_a_new_job_on_other_resources(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        first = await submit(client, labels={"a": "b"}, outputModelVersion="7")
        await pool.execute("update jobs set status = 'succeeded'")
        answer = await self.again(client, first["id"], **ON_GPU)
        second = answer.json()["data"]
        assert second["id"] != first["id"]
        assert (second["useGpu"], second["labels"]) == (True, {"a": "b"})
        assert second["resourceProfile"] == ON_GPU["resourceProfile"]
        assert second["outputModelVersion"] == "8"

    async def test_makes_one_job_of_one_key(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        first = await submit(client)
        await pool.execute("update jobs set status = 'succeeded'")
        path, body = f"{JOBS}/{first['id']}/resubmit", {"resourceProfile": PROFILE}
        answers = [await client.post(path, json=body, headers=KEY) for _ in range(2)]
        made = {answer.json()["data"]["id"] for answer in answers}
        assert len(made) == 1
        assert made != {first["id"]}
        assert (await counts(pool))["jobs"] == 2

    async def test_checks_the_rules_again(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        dataset = await insert_dataset(pool)
        first = await submit(client, datasetId=dataset)
        await pool.execute("update jobs set status = 'failed'")
        await pool.execute("delete from datasets")
        answer = await self.again(client, first["id"], resourceProfile={"cpuCores": 99})
        fields = {each["field"] for each in answer.json()["data"]["errors"]}
        assert fields == {
            *("datasetId", "resourceProfile.cpuCores"),
            *("resourceProfile.memory", "resourceProfile.maxDuration"),
        }

    async def test_a_live_job_is_a_conflict(self, client: httpx.AsyncClient) -> None:
        job = await submit(client)
        answer = await self.again(client, job["id"], resourceProfile=PROFILE)
        assert answer.status_code == 409

    async def test_another_projects_job_is_not_there(
        self, client: httpx.AsyncClient, pool: asyncpg.Pool
    ) -> None:
        theirs = await make_job(pool, Status.FAILED, project_id=OTHER_PROJECT)
        assert (await self.again(client, theirs, resourceProfile=PROFILE)).status_code == 404
        assert (await self.again(client, uuid4(), resourceProfile=PROFILE)).status_code == 404
