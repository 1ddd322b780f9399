"""Long outages, restored clusters, missing rights: nothing is launched twice, nothing is lost, and
nothing fails for want of an answer."""

import json
from uuid import UUID

import pytest

from tests.kubernetes import SLEEP, until
from tests.world import World

EXIT_0 = "print('all good')"
EXIT_3 = "import sys; print('RuntimeError: CUDA error: sick'); sys.exit(3)"
SUCCEEDED = {"done": {"outcome": "succeeded", "metrics": {"loss": 0.1}}}
RIGHTS = [
    ("list", "jobs"),
    ("list", "pods"),
    ("get", "jobs"),
    ("get", "pods/log"),
    ("patch", "jobs"),
    ("patch", "secrets"),
    ("delete", "jobs"),
    ("delete", "pods"),
]


async def launches(world: World) -> dict[str, int]:
    """How often each Kubernetes Job was made."""
    made: dict[str, int] = {}
    for seen in world.cluster.faults.seen:
        if (seen.act.verb, seen.act.resource) == ("create", "jobs") and seen.code == 201:
            made[seen.act.name] = made.get(seen.act.name, 0) + 1
    return made


def uids(world: World) -> dict[str, str]:
    """Which Kubernetes Jobs there are, whatever the API says."""
    store = world.cluster.server.store
    rows = store.rows("jobs", None, store.revision, None)
    return {row.name: json.loads(row.body)["metadata"]["uid"] for row in rows}


async def jobs_of_all_kinds(world: World) -> dict[str, UUID]:
    """A job that goes on, one that left its result, one that broke, one that is cancelled."""
    found = {
        "going on": await world.submit(SLEEP),
        "done": await world.submit(EXIT_0),
        "broken": await world.submit(EXIT_3),
        "cancelled": await world.submit(SLEEP),
    }
    await world.tick()
    for name in ("going on", "cancelled"):
        await world.until_phase(found[name], "Running")
    for name in ("done", "broken"):
        await world.until_job_is_over(found[name])
    await world.leave_result(found["done"], SUCCEEDED)
    await world.cancel(found["cancelled"])
    return found


async def check_ends(world: World, jobs: dict[str, UUID]) -> None:
    """What each comes to, once the cluster can be spoken to."""

    async def come_to() -> bool:
        await world.tick(after=31)
        await world.beat(jobs["going on"])
        states = {name: await world.status(job_id) for name, job_id in jobs.items()}
        broken = await world.row(jobs["broken"])
        return (
            (states["going on"], states["done"]) == ("running", "succeeded")
            and states["cancelled"] == "cancelled"
            and broken["attempt"] > 1
        )

    await until(come_to, 30)
    assert set((await launches(world)).values()) == {1}


class TestOutage:
    async def test_of_an_hour_ends_nothing_that_it_should_not(self, world: World):
        jobs = await jobs_of_all_kinds(world)
        late = await world.submit(SLEEP)
        number = world.cluster.faults.add("unavailable", times=None)
        for _ in range(60):
            assert not await world.tick(after=60)
            await world.beat(jobs["going on"])
            assert await world.status(late) == "pending"
        states = {name: await world.status(job_id) for name, job_id in jobs.items()}
        assert states["going on"] == "queued"
        assert "failed" not in states.values()
        world.cluster.faults.clear(number)
        await check_ends(world, jobs)
        for _ in range(16):
            await world.tick(after=60)
            await world.beat(jobs["going on"])
        assert await world.status(late) in ("queued", "running")
        assert set((await launches(world)).values()) == {1}

    @pytest.mark.parametrize("verb", ["create", "list", "get", "delete"])
    async def test_that_swallows_answers_launches_nothing_twice(self, world: World, verb: str):
        job_ids = [await world.submit() for _ in range(5)]
        number = world.cluster.faults.add("cut-after", verb=verb, times=None)
        await world.tick()
        first = uids(world)
        for _ in range(4):
            await world.tick(after=61)
        world.cluster.faults.clear(number)
        for _ in range(3):
            await world.tick(after=61)
        assert await world.statuses() <= {"queued", "running"}
        assert len(first) == len(job_ids)
        assert uids(world) == first


class TestRestore:
    @pytest.mark.parametrize("how", ["of half the Jobs", "into the wrong namespace"])
    async def test_goes_on_as_if_nothing_had_been_when_the_listing_is_right_again(
        self, world: World, how: str
    ):
        job_ids = [await world.submit() for _ in range(12)]
        await world.tick()
        for job_id in job_ids:
            await world.until_phase(job_id, "Running")
        await world.tick()
        store = world.cluster.server.store
        rows = store.rows("jobs", None, store.revision, None)
        if how == "of half the Jobs":
            kept = {name: await world.cluster.client.get("jobs", name) for _, name, *_ in rows}
            lost = world.cluster.server.forget("jobs", fraction=0.5)
        else:
            number = world.cluster.faults.add("empty", times=None)
        for _ in range(60):
            assert not await world.tick(after=50)
        assert await world.statuses() == {"running"}
        if how == "of half the Jobs":
            world.cluster.server.insert("jobs", [kept[name] for name in lost])
        else:
            world.cluster.faults.clear(number)
        assert await world.tick()
        assert await world.statuses() == {"running"}
        assert await world.pool.fetchval("select count(*) from attempts") == 12
        assert set((await launches(world)).values()) == {1}


class TestRight:
    @pytest.mark.parametrize(("verb", "resource"), RIGHTS)
    async def test_that_is_missing_ends_nothing_and_all_goes_on_once_it_is_given(
        self, world: World, verb: str, resource: str
    ):
        jobs = await jobs_of_all_kinds(world)
        number = world.cluster.faults.add("forbidden", verb=verb, resource=resource, times=None)
        for _ in range(4):
            await world.tick(after=10)
            await world.beat(jobs["going on"])
        states = {name: await world.status(job_id) for name, job_id in jobs.items()}
        assert "failed" not in states.values()
        assert states["going on"] in ("queued", "running")
        world.cluster.faults.clear(number)
        await check_ends(world, jobs)
