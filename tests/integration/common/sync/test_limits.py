"""Silence never fails a job, declared limits do: rule 4."""

from dataclasses import replace
from datetime import timedelta
from functools import partial
from uuid import UUID

import pytest

from tests.kubernetes import until
from tests.world import World

HOUR = 3600


async def _cannot_start(world: World, job_id: UUID) -> bool:
    pod = await world.cluster.pod(job_id)
    states = (pod or {}).get("status", {}).get("containerStatuses") or [{}]
    return "waiting" in (states[0].get("state") or {})


class TestMaxDuration:
    async def test_fails_what_ran_for_longer_and_stops_it(self, world: World):
        job_id = await world.start()
        await world.tick(after=HOUR - 60)
        assert await world.status(job_id) == "running"
        await world.tick(after=120)
        row, attempt = await world.row(job_id), await world.attempt(job_id)
        assert (row["status"], attempt["error_class"]) == ("failed", "user")
        assert attempt["rule"] == "deadline-exceeded"
        await world.tick()
        await world.until_gone(job_id)

    async def test_counts_what_earlier_attempts_ran(self, world: World):
        job_id = await world.start()
        await world.pool.execute("update jobs set ran_seconds = $1", HOUR - 60)
        await world.tick(after=30)
        assert await world.status(job_id) == "running"
        await world.tick(after=40)
        assert await world.status(job_id) == "failed"

    async def test_counts_no_time_in_a_queue(self, world: World):
        job_id = await world.submit(resolved={"image": "missing"})
        for _ in range(4):
            await world.tick(after=HOUR)
        assert await world.status(job_id) == "queued"


class TestStartLimit:
    async def test_fails_what_cannot_start_for_so_long(self, world: World):
        world.limits = replace(world.limits, start_limit=timedelta(seconds=20))
        job_id = await world.submit(resolved={"image": "missing"})
        await world.tick()
        await until(partial(_cannot_start, world, job_id))
        for _ in range(10):
            await world.tick(after=3)
            if await world.status(job_id) == "failed":
                break
        row, attempt = await world.row(job_id), await world.attempt(job_id)
        assert row["status"] == "failed"
        assert attempt["rule"] == "image-not-found"
        assert row["completed_at"] - attempt["first_bad_at"] > timedelta(seconds=20)

    async def test_says_what_a_queued_job_waits_for(self, world: World):
        job_id = await world.submit(resolved={"cpu": "1000"})
        await world.tick()

        await world.until_phase(job_id, "Pending")
        await world.tick()
        await world.tick()
        assert "Unschedulable" in (await world.row(job_id))["waiting_for"]

    async def test_counts_only_what_was_looked_at(self, world: World):
        job_id = await world.submit(resolved={"cpu": "1000"})
        await world.tick()
        await world.tick()
        for _ in range(3):
            await world.tick(after=HOUR)
        assert await world.status(job_id) == "queued"


class TestStalling:
    async def test_marks_silence_once_and_lets_it_run(self, world: World):
        job_id = await world.start(stall_policy="fail")
        await world.tick(after=601)
        await world.tick(after=601)
        row = await world.row(job_id)
        assert (row["status"], bool(row["stalled_at"])) == ("running", True)
        assert (await world.events(job_id)).count("stalled") == 1

    @pytest.mark.parametrize(
        ("policy", "status", "attempt"),
        [("mark", "running", 1), ("restart", "pending", 2), ("fail", "failed", 1)],
    )
    async def test_does_what_the_submitter_chose_where_nothing_moves(
        self, world: World, policy: str, status: str, attempt: int
    ):
        job_id = await world.start(stall_policy=policy)
        world.ahead += timedelta(seconds=700)
        await world.beat(job_id, progressed=timedelta(seconds=650))
        await world.tick()
        assert (await world.row(job_id))["stalled_at"]
        assert await world.status(job_id) == "running"
        await world.tick()
        row = await world.row(job_id)
        assert (row["status"], row["attempt"]) == (status, attempt)
        assert (await world.events(job_id)).count("stalled") == 1

    async def test_takes_the_mark_away_when_it_moves_again(self, world: World):
        job_id = await world.start()
        world.ahead += timedelta(seconds=700)
        await world.beat(job_id, progressed=timedelta(seconds=650))
        await world.tick()
        await world.beat(job_id)
        await world.tick()
        assert not (await world.row(job_id))["stalled_at"]

    async def test_does_not_take_a_trainer_that_tells_nothing_for_stalled(self, world: World):
        job_id = await world.start(stall_policy="fail")
        world.ahead += timedelta(seconds=700)
        await world.beat(job_id, progressed=timedelta(seconds=650))
        await world.pool.execute("update beats set marker = ''")
        await world.tick()
        assert not (await world.row(job_id))["stalled_at"]
