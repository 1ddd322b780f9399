"""A queue in the cluster holds Jobs back: suspended means queued, and costs a job nothing."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from common.tokens.job_token import LIFETIME
from tests.kubernetes import until
from tests.world import World

HOUR = 3600
WAITS = "its turn in the queue: it starts when the queue has quota for it"
SAVES_NOTHING = "import time; print('training', flush=True); time.sleep(60)"


@pytest.fixture
def world(world: World) -> World:
    world.site = replace(world.site, queue="trainers")
    world.limits = replace(world.limits, start_limit=timedelta(seconds=20))
    return world


async def admit(world: World, job_id: UUID, attempt: int = 1, *, suspend: bool = False) -> None:
    """What Kueue does to a Job."""
    name = f"train-{job_id}-{attempt}"
    assert await world.cluster.client.patch("jobs", name, {"spec": {"suspend": suspend}})


async def run(world: World) -> UUID:
    job_id = await world.submit(SAVES_NOTHING)
    await world.tick()
    await admit(world, job_id)
    await world.until_phase(job_id, "Running")
    await world.tick()
    assert await world.status(job_id) == "running"
    return job_id


async def take_out(world: World, job_id: UUID) -> None:
    await admit(world, job_id, suspend=True)

    async def is_gone() -> bool:
        pod = await world.cluster.pod(job_id)
        return pod is None or pod["status"]["phase"] in ("Succeeded", "Failed")

    await until(is_gone)


class TestAQueuedJob:
    async def test_is_made_suspended_in_its_queue_and_says_what_it_waits_for(
        self, world: World
    ) -> None:
        job_id = await world.submit()
        await world.tick()
        await world.tick()

        job, row = await world.cluster.job(job_id), await world.row(job_id)
        assert job is not None
        assert job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "trainers"
        assert job["spec"]["suspend"] is True
        assert await world.cluster.pod(job_id) is None
        assert (row["status"], row["waiting_for"]) == ("queued", WAITS)
        assert row["observed"]["job"] == "suspended"

    async def test_may_wait_for_days_and_starts_with_a_fresh_token(self, world: World) -> None:
        job_id = await world.submit()
        for _ in range(3):
            await world.tick(after=24 * HOUR)
        row, attempt = await world.row(job_id), await world.attempt(job_id)
        assert (row["status"], row["attempt"]) == ("queued", 1)
        assert world.now() - attempt["token_issued_at"] < LIFETIME / 2

        await admit(world, job_id)
        await world.until_phase(job_id, "Running")
        await world.tick()
        row = await world.row(job_id)
        assert (row["status"], row["waiting_for"]) == ("running", None)

    async def test_is_cancelled_like_any_other(self, world: World) -> None:
        job_id = await world.submit()
        await world.tick()
        await world.cancel(job_id)
        await world.tick()
        assert await world.status(job_id) == "cancelled"
        await world.until_gone(job_id)


class TestAJobThatTheQueueTakesOut:
    async def test_waits_again_as_another_attempt_at_no_cost_to_its_retries(
        self, world: World
    ) -> None:
        job_id = await run(world)
        await take_out(world, job_id)
        await world.tick()
        assert await world.status(job_id) == "running"
        await world.tick(after=40)

        row, attempt = await world.row(job_id), await world.attempt(job_id)
        assert (row["status"], row["attempt"], row["retry_count"]) == ("pending", 2, 0)
        assert (attempt["error_class"], attempt["rule"]) == ("transient", "preempted")
        await world.tick(after=HOUR)
        await world.until_gone(job_id)
        job = await world.cluster.job(job_id, 2)
        assert job is not None
        assert job["spec"]["suspend"] is True

    async def test_ends_as_its_trainer_said_where_it_said_so(self, world: World) -> None:
        job_id = await run(world)
        await world.leave_result(job_id, {"done": {"outcome": "succeeded"}})
        await take_out(world, job_id)
        await world.tick()
        assert await world.status(job_id) == "succeeded"
