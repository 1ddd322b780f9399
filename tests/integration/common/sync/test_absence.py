"""What is not in a listing: rule 17."""

from datetime import timedelta

import pytest

from common.launch.cluster import Cluster
from common.sync.lease import read_age
from common.sync.tick import LEASE
from tests.world import World


async def lose(world: World, *job_ids: object) -> None:
    world.cluster.server.forget("jobs", names=[f"train-{each}-1" for each in job_ids])
    world.cluster.server.forget("pods")


class TestAbsence:
    async def test_is_believed_after_two_ticks(self, world: World):
        job_id = await world.start()
        await lose(world, job_id)
        await world.tick()
        assert await world.status(job_id) == "running"
        assert (await world.attempt(job_id))["missing_since"]
        await world.tick()
        row, attempt = await world.row(job_id), await world.attempt(job_id)
        assert (row["status"], row["attempt"], row["preemption_count"]) == ("pending", 2, 1)
        assert attempt["rule"] == "node-lost"

    async def test_is_not_believed_while_the_trainer_speaks(self, world: World):
        job_id = await world.start()
        await lose(world, job_id)
        for _ in range(4):
            await world.tick()
            await world.beat(job_id)
        assert await world.status(job_id) == "running"
        await world.tick()
        await world.tick()
        assert await world.status(job_id) == "pending"

    async def test_is_not_believed_without_a_404_for_that_very_object(self, world: World):
        job_id = await world.start()
        world.cluster.faults.add("empty", resource="jobs", times=None)
        for _ in range(4):
            await world.tick()
        assert await world.status(job_id) == "running"
        assert not (await world.attempt(job_id))["missing_since"]

    async def test_is_not_believed_where_the_question_is_not_answered(self, world: World):
        job_id = await world.start()
        await lose(world, job_id)
        world.cluster.faults.add("unavailable", verb="get", resource="jobs", times=3)
        for _ in range(3):
            await world.tick()
        assert not (await world.attempt(job_id))["missing_since"]
        await world.tick()
        await world.tick()
        assert await world.status(job_id) == "pending"

    async def test_is_forgotten_when_the_job_is_seen_again(self, world: World):
        job_id = await world.start()
        await world.pool.execute("update attempts set missing_since = $1", world.now())
        await world.tick()
        assert not (await world.attempt(job_id))["missing_since"]
        assert await world.status(job_id) == "running"

    async def test_takes_a_result_that_the_lost_job_left(self, world: World):
        job_id = await world.start()
        await lose(world, job_id)
        await world.leave_result(job_id, {"done": {"outcome": "succeeded"}})
        await world.tick()
        await world.tick()
        assert await world.status(job_id) == "succeeded"

    @pytest.mark.parametrize("how", ["half of all is forgotten", "the wrong namespace"])
    async def test_changes_nothing_and_alerts_when_much_vanishes_at_once(
        self, world: World, how: str
    ):
        for _ in range(10):
            await world.submit()
        await world.tick()
        await world.tick()
        before = await world.pool.fetch("select id, status, attempt from jobs order by id")
        if how == "half of all is forgotten":
            world.cluster.server.forget("jobs", fraction=0.5)
        else:
            world.cluster.faults.add("empty", times=None)
        created = world.cluster.faults.count("create", "jobs")
        for _ in range(4):
            assert not await world.tick()
        after = await world.pool.fetch("select id, status, attempt from jobs order by id")
        assert before == after
        assert world.cluster.faults.count("create", "jobs") == created
        assert world.cluster.faults.count("delete") == 0
        assert await world.pool.fetchval("select count(missing_since) from attempts") == 0
        detail = (await read_age(world.pool, LEASE)).detail
        assert detail["absent"] >= 5
        assert detail["expected"] == 10


class TestListing:
    @pytest.mark.parametrize("resource", ["jobs", "pods"])
    @pytest.mark.parametrize("fault", ["expired", "cut-after", "internal", "too-many-requests"])
    async def test_changes_nothing_where_a_later_page_fails(
        self, world: World, resource: str, fault: str
    ):
        job_ids = [await world.submit() for _ in range(3)]
        await world.tick()
        for job_id in job_ids:
            await world.until_phase(job_id, "Running")
        world.cluster.client = Cluster(world.cluster.client._client, "trainers", page=1)
        world.cluster.faults.add(fault, verb="list", resource=resource, skip=1)
        if fault == "expired":
            world.cluster.faults.clear()
            world.cluster.faults.add(fault, verb="list", resource=resource)
        assert not await world.tick()
        assert await world.statuses() == {"queued"}
        assert await world.tick()
        assert await world.statuses() == {"running"}

    async def test_counts_an_object_once_that_is_listed_twice(self, world: World):
        job_id = await world.start()
        world.cluster.faults.add("duplicate", times=None)
        assert await world.tick()
        assert await world.status(job_id) == "running"

    async def test_fails_no_job_in_an_hour_without_the_cluster(self, world: World):
        running, queued = await world.start(), await world.submit()
        world.cluster.faults.add("unavailable", times=None)
        for _ in range(12):
            await world.tick(after=300)
            await world.beat(running)
        assert await world.status(running) == "running"
        assert await world.status(queued) == "pending"
        assert (await world.row(queued))["waiting_for"]
        world.cluster.faults.clear()
        world.ahead += timedelta(minutes=1)
        await world.pool.execute(
            "update jobs set run_started_at = $1 where id = $2", world.now(), running
        )
        await world.tick()
        assert await world.status(running) == "running"
        assert await world.status(queued) == "queued"
