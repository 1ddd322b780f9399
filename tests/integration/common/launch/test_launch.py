"""Launching, by causing each fault of rules 14 to 16."""

import asyncio
import base64
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from common.jobs.state import Status, Trigger
from common.launch.launch import launch_due
from common.tokens.job_token import JobTokens
from tests.jobs import NOW, apply, failure, intent_of, make_job
from tests.kubernetes import SITE, Kubernetes, request_of, until


class Crash(BaseException):
    """Stands for the death of the process."""


@pytest.fixture
def launch(pool: asyncpg.Pool, cluster: Kubernetes) -> Any:
    async def launch(job_id: UUID | None = None, now: datetime = NOW) -> Sequence[UUID]:
        return await launch_due(
            pool,
            cluster=cluster.client,
            site=SITE,
            source="launch-job",
            now=now,
            job_id=job_id,
            limit=10,
        )

    return launch


async def row_of(pool: asyncpg.Pool, job_id: UUID) -> Any:
    return await pool.fetchrow(
        "select jobs.*, w.state as work, w.next_at, w.tries from jobs "
        "left join work w on w.job_id = id and w.attempt = jobs.attempt and kind = 'launch' "
        "where id = $1",
        job_id,
    )


async def make(pool: asyncpg.Pool, **changes: Any) -> UUID:
    return await make_job(pool, request=request_of(**changes))


class TestLaunch:
    async def test_makes_the_job_and_its_secret_and_queues_the_job(
        self, pool: asyncpg.Pool, cluster: Kubernetes, launch: Any
    ):
        job_id = await make(pool)
        assert len(await launch(job_id)) == 1
        row = await row_of(pool, job_id)
        assert (row["status"], row["work"]) == ("queued", "done")
        job = await cluster.job(job_id)
        secret = await cluster.client.get("secrets", f"train-{job_id}-1")
        assert job
        assert secret
        assert "ttlSecondsAfterFinished" not in job["spec"]
        assert secret["metadata"]["ownerReferences"][0]["uid"] == job["metadata"]["uid"]
        token = base64.b64decode(secret["data"]["token"]).decode()
        claims = JobTokens(SITE.ring).verify(token, NOW)
        assert (claims.job_id, claims.attempt) == (str(job_id), 1)

    async def test_runs_the_trainer_once_its_secret_is_there(
        self, pool: asyncpg.Pool, cluster: Kubernetes, launch: Any
    ):
        job_id = await make(pool)
        await launch(job_id)

        async def running() -> bool:
            pod = await cluster.pod(job_id)
            return bool(pod) and pod["status"]["phase"] == "Running"

        await until(running)

    async def test_leaves_a_launch_alone_that_is_too_early(
        self, pool: asyncpg.Pool, cluster: Kubernetes, launch: Any
    ):
        job_id = await make(pool)
        later = NOW + timedelta(minutes=1)
        trigger = intent_of(job_id, Trigger.FAILED_RETRYABLE)
        await apply(
            pool, trigger.__class__(**(vars(trigger) | {"failure": failure(not_before=later)}))
        )
        assert not await launch(job_id)
        assert await cluster.names() == []
        assert (await row_of(pool, job_id))["work"] == "due"
        await launch(job_id, later)
        assert await cluster.names() == [f"train-{job_id}-2"]

    @pytest.mark.parametrize(
        "fault", ["quota", "conflict", "too-many-requests", "internal", "unavailable", "cut-before"]
    )
    @pytest.mark.parametrize("resource", ["jobs", "secrets"])
    async def test_tries_later_what_may_pass(
        self, pool: asyncpg.Pool, cluster: Kubernetes, launch: Any, fault: str, resource: str
    ):
        job_id = await make(pool)
        cluster.faults.add(fault, verb="create", resource=resource)
        await launch(job_id)
        row = await row_of(pool, job_id)
        assert (row["status"], row["work"]) == ("pending", "due")
        assert row["waiting_for"]
        assert NOW < row["next_at"] <= NOW + timedelta(minutes=1)
        await launch(job_id, row["next_at"])
        row = await row_of(pool, job_id)
        assert (row["status"], row["waiting_for"]) == ("queued", None)
        assert await cluster.names() == [f"train-{job_id}-1"]
        assert cluster.faults.count("create", "jobs") <= 2

    @pytest.mark.parametrize("fault", ["invalid", "forbidden"])
    @pytest.mark.parametrize("resource", ["jobs", "secrets"])
    async def test_fails_the_job_for_good_where_the_cluster_says_no(
        self, pool: asyncpg.Pool, cluster: Kubernetes, launch: Any, fault: str, resource: str
    ):
        job_id = await make(pool)
        cluster.faults.add(fault, verb="create", resource=resource)
        await launch(job_id)
        row = await row_of(pool, job_id)
        assert (row["status"], row["work"]) == ("failed", "done")
        assert "refused" in row["status_reason"]
        assert await cluster.names() == []

    async def test_goes_on_where_the_answer_to_the_create_was_lost(
        self, pool: asyncpg.Pool, cluster: Kubernetes, launch: Any
    ):
        job_id = await make(pool)
        cluster.faults.add("cut-after", verb="create", resource="jobs")
        await launch(job_id)
        made = await cluster.job(job_id)
        await launch(job_id, NOW + timedelta(minutes=2))
        adopted = await cluster.job(job_id)
        assert made
        assert adopted
        assert adopted["metadata"]["uid"] == made["metadata"]["uid"]
        assert (await row_of(pool, job_id))["status"] == "queued"

    @pytest.mark.parametrize("resource", ["jobs", "secrets"])
    async def test_goes_on_where_the_launcher_died_in_between(
        self, pool: asyncpg.Pool, cluster: Kubernetes, launch: Any, resource: str
    ):
        def die() -> None:
            raise Crash

        job_id = await make(pool)
        cluster.faults.on("create", resource, die, after=True)
        with pytest.raises(Crash):
            await launch(job_id)
        made = await cluster.job(job_id)
        assert (await row_of(pool, job_id))["status"] == "pending"
        assert not await launch(job_id), "the lease is not over"
        await launch(job_id, NOW + timedelta(minutes=2))
        adopted = await cluster.job(job_id)
        assert made
        assert adopted
        assert adopted["metadata"]["uid"] == made["metadata"]["uid"]
        assert (await row_of(pool, job_id))["status"] == "queued"
        assert await cluster.client.get("secrets", f"train-{job_id}-1")

    async def test_refuses_no_job_whose_object_is_there_and_cannot_be_looked_at(
        self, pool: asyncpg.Pool, cluster: Kubernetes, launch: Any
    ):
        def die() -> None:
            raise Crash

        job_id = await make(pool)
        cluster.faults.on("create", "jobs", die, after=True)
        with pytest.raises(Crash):
            await launch(job_id)
        cluster.faults.add("forbidden", verb="get", resource="jobs")
        await launch(job_id, NOW + timedelta(minutes=2))
        assert (await row_of(pool, job_id))["status"] == "pending"
        await launch(job_id, NOW + timedelta(minutes=20))
        assert (await row_of(pool, job_id))["status"] == "queued"

    async def test_makes_the_same_manifest_and_token_when_it_is_repeated(
        self, pool: asyncpg.Pool, cluster: Kubernetes, launch: Any
    ):
        job_id = await make(pool)
        cluster.faults.add("unavailable", verb="create", resource="jobs")
        await launch(job_id)
        before = await pool.fetchrow("select plan, token_issued_at from attempts")
        await launch(job_id, NOW + timedelta(minutes=10))
        after = await pool.fetchrow("select plan, token_issued_at from attempts")
        assert dict(before or {}) == dict(after or {})

    async def test_takes_a_fresh_token_for_a_launch_that_waited_for_hours(
        self, pool: asyncpg.Pool, cluster: Kubernetes, launch: Any
    ):
        job_id = await make(pool)
        cluster.faults.add("quota", verb="create", resource="jobs")
        await launch(job_id)
        later = NOW + timedelta(hours=5)
        await launch(job_id, later)
        assert await pool.fetchval("select token_issued_at from attempts") == later
        secret = await cluster.client.get("secrets", f"train-{job_id}-1")
        assert secret
        token = base64.b64decode(secret["data"]["token"]).decode()
        assert JobTokens(SITE.ring).verify(token, later).issued_at == later

    async def test_refuses_a_job_of_the_same_name_that_is_not_ours(
        self, pool: asyncpg.Pool, cluster: Kubernetes, launch: Any
    ):
        other = await make(pool)
        job_id = await make(pool)
        await launch(other)
        theirs = await cluster.job(other)
        assert theirs
        metadata = {"name": f"train-{job_id}-1", "labels": theirs["metadata"]["labels"]}
        spec = {k: theirs["spec"][k] for k in ("backoffLimit", "suspend") if k in theirs["spec"]}
        template = theirs["spec"]["template"] | {"metadata": {"labels": {"app": "other"}}}
        await cluster.client.create(
            "jobs", {"metadata": metadata, "spec": {**spec, "template": template}}
        )
        await launch(job_id)
        row = await row_of(pool, job_id)
        assert row["status"] == "failed"
        assert "does not belong" in row["status_reason"]
        assert await cluster.job(job_id), "what is not ours is not deleted"

    async def test_deletes_what_it_made_for_a_job_that_was_cancelled_meanwhile(
        self, pool: asyncpg.Pool, cluster: Kubernetes, launch: Any
    ):
        job_id = await make(pool)

        async def cancel() -> None:
            await apply(pool, intent_of(job_id, Trigger.CANCEL_ASKED))

        cluster.faults.on("create", "jobs", cancel)
        await launch(job_id)
        assert (await row_of(pool, job_id))["status"] == "cancelled"

        async def gone() -> bool:
            return await cluster.names() == []

        await until(gone)

    async def test_keeps_what_it_made_for_a_job_that_was_heard_of_meanwhile(
        self, pool: asyncpg.Pool, cluster: Kubernetes, launch: Any
    ):
        job_id = await make(pool)

        async def speak() -> None:
            await apply(pool, intent_of(job_id, Trigger.ALIVE))

        cluster.faults.on("create", "secrets", speak, after=True)
        await launch(job_id)
        row = await row_of(pool, job_id)
        assert (row["status"], row["work"]) == ("running", "done")
        assert await cluster.names() == [f"train-{job_id}-1"]

    async def test_launches_once_when_two_race(
        self, pool: asyncpg.Pool, cluster: Kubernetes, launch: Any
    ):
        job_ids = [await make(pool) for _ in range(5)]
        await asyncio.gather(*(launch(job_id) for job_id in job_ids), launch(), launch())
        assert await cluster.names() == sorted(f"train-{job_id}-1" for job_id in job_ids)
        sequences = await pool.fetch(
            "select job_id, array_agg(sequence order by sequence) as s from job_events group by 1"
        )
        assert {tuple(row["s"]) for row in sequences} == {(1, 2)}

    async def test_launches_once_when_two_hold_the_same_launch(
        self, pool: asyncpg.Pool, cluster: Kubernetes, launch: Any
    ):
        job_id = await make(pool)
        inner: list[Any] = []

        async def other() -> None:
            inner.append(await launch(job_id, NOW + timedelta(minutes=2)))

        cluster.faults.on("create", "jobs", other)
        outer = await launch(job_id)
        assert (len(outer), len(inner[0])) == (0, 1)
        assert await cluster.names() == [f"train-{job_id}-1"]
        assert (await row_of(pool, job_id))["status"] == "queued"

    async def test_refuses_a_job_whose_running_time_is_spent(
        self, pool: asyncpg.Pool, cluster: Kubernetes, launch: Any
    ):
        job_id = await make(pool)
        await pool.execute("update jobs set ran_seconds = 3600")
        await launch(job_id)
        row = await row_of(pool, job_id)
        assert row["status"] == "failed"
        assert await pool.fetchval("select error_class from attempts") == "user"
        assert await cluster.names() == []

    async def test_hands_the_newest_checkpoint_to_a_later_attempt(
        self, pool: asyncpg.Pool, cluster: Kubernetes, launch: Any
    ):
        job_id = await make(pool)
        await pool.execute(
            "insert into checkpoints (id, job_id, attempt, number, name, uri, sha256, size, "
            "epoch, created_at)"
            " values (gen_random_uuid(), $1, 1, 1, 'a', 's3://b/a', $2, 5, 3, now())",
            job_id,
            "0" * 64,
        )
        await apply(pool, intent_of(job_id, Trigger.FAILED_RETRYABLE))
        await launch(job_id)
        job = await cluster.job(job_id, 2)
        assert job
        env = job["spec"]["template"]["spec"]["containers"][0]["env"]
        assert {"name": "CHECKPOINT_URI", "value": "s3://b/a"} in env
        noted = "select resumed_from from attempts where job_id = $1 and attempt = 2"
        went_on = {"attempt": 1, "step": None, "epoch": 3}
        assert await pool.fetchval(noted, job_id) == went_on

    @pytest.mark.parametrize("status", [Status.CANCELLED, Status.RUNNING])
    async def test_leaves_a_job_alone_that_does_not_wait_for_it(
        self, pool: asyncpg.Pool, cluster: Kubernetes, launch: Any, status: Status
    ):
        job_id = await make_job(pool, status, request=request_of())
        await pool.execute("update work set state = 'due', finished_at = null")
        await launch(job_id)
        assert await cluster.names() == []
        row = await row_of(pool, job_id)
        assert (row["status"], row["work"]) == (status, "done")
