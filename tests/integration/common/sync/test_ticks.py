"""Ticks do not overlap, lock nothing, and cost the same for any number of jobs: rules 17 and 20."""

import asyncio
from datetime import timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest

from common import postgres
from common.jobs.state import Status, Trigger
from common.launch import manifest
from common.settings import Database as DatabaseSettings
from common.sync.lease import hold, read_age
from common.sync.tick import LEASE, tick
from tests.jobs import apply, intent_of, make_job
from tests.kubernetes import request_of, until
from tests.postgres_server import Database
from tests.world import World


class Crash(BaseException):
    """Stands for the death of the process."""


class TestLease:
    async def test_lets_one_of_two_tick(self, world: World):
        await world.submit()
        assert sorted(await asyncio.gather(*(tick(world.tools()) for _ in range(4)))) == [
            False,
            False,
            False,
            True,
        ]

    async def test_keeps_ticks_apart_by_the_interval(self, world: World):
        world.interval = timedelta(hours=1)
        assert await world.tick()
        assert not await world.tick(after=1800)
        assert await world.tick(after=1801)

    async def test_is_free_again_when_its_holder_died(self, world: World):
        def die() -> None:
            raise Crash

        job_id = await world.submit()
        world.cluster.faults.on("create", "secrets", die)
        with pytest.raises(Crash):
            await world.tick()
        await world.pool.execute("update leases set holder = 'dead', expires_at = $1", world.now())
        await world.tick(after=61)
        assert await world.status(job_id) == "queued"

    async def test_is_not_given_up_to_one_who_lost_it(self, world: World):
        second = timedelta(seconds=1)
        async with hold(world.pool, "x", spacing=second, now=world.now) as first:
            world.ahead += timedelta(minutes=5)
            async with hold(world.pool, "x", spacing=second, now=world.now) as other:
                assert first
                assert other
                first.complete = True
                holder = await world.pool.fetchval("select holder from leases")
            assert await world.pool.fetchval("select holder from leases") != holder
        assert await world.pool.fetchval("select completed_at from leases") is None

    async def test_says_when_the_last_complete_tick_was(self, world: World):
        await world.tick()
        first = (await read_age(world.pool, LEASE)).completed_at
        world.cluster.faults.add("unavailable", verb="list")
        await world.tick()
        age = await read_age(world.pool, LEASE)
        assert first
        assert age.completed_at == first
        assert "unreachable" in age.detail

    async def test_has_no_transaction_open_while_it_asks_the_cluster(
        self, world: World, database: Database
    ):
        found: list[int] = []

        async def look() -> None:
            other = await asyncpg.connect(database.url)
            found.append(
                await other.fetchval(
                    "select count(*) from pg_stat_activity where datname = current_database() "
                    "and state like 'idle in transaction%'"
                )
            )
            found.append(
                await other.fetchval("select count(*) from pg_locks where locktype = 'advisory'")
            )
            await other.close()

        await world.submit()
        await world.start()
        world.cluster.faults.on("*", "*", look, times=None)
        await world.tick()
        await world.tick()
        assert len(found) >= 8
        assert set(found) == {0}


class TestScale:
    async def test_makes_as_many_statements_for_many_jobs_as_for_few(
        self, world: World, database: Database
    ):
        await world.tick()
        few = await self._statements_of_a_tick(world, database, 4)
        many = await self._statements_of_a_tick(world, database, 40)
        assert few == many
        assert await world.statuses() == {"running"}

    async def _statements_of_a_tick(self, world: World, database: Database, count: int) -> int:
        job_ids = [await self._queued_job_with_a_running_pod(world) for _ in range(count)]
        counted = await postgres.open_pool(DatabaseSettings(url=database.url, pool_size=1))
        seen: list[str] = []
        async with counted.acquire() as connection:
            connection.add_query_logger(lambda record: seen.append(record.query))
        plain, world.pool = world.pool, counted
        try:
            await world.tick()
        finally:
            world.pool = plain
        await postgres.close_pool(counted)
        assert all([await world.status(job_id) == "running" for job_id in job_ids])
        return len([query for query in seen if "leases" not in query])

    async def _queued_job_with_a_running_pod(self, world: World) -> UUID:
        job_id = await make_job(world.pool, Status.QUEUED, request=request_of())
        labels = manifest.labels_of(job_id, 1, "0" * 32)
        name, at = f"train-{job_id}-1", "2026-01-01T00:00:00Z"
        metadata = {"namespace": "trainers", "labels": labels, "creationTimestamp": at}
        job = metadata | {"name": name, "uid": str(uuid4())}
        pod = metadata | {"name": f"{name}-x", "uid": str(uuid4())}
        running = {"phase": "Running", "containerStatuses": [{"state": {"running": {}}}]}
        world.cluster.server.insert("jobs", [{"metadata": job, "spec": {}, "status": {}}])
        world.cluster.server.insert("pods", [{"metadata": pod, "spec": {}, "status": running}])
        await world.pool.execute("update job_events set published_at = now()")
        return job_id


class TestWaking:
    async def test_launches_what_no_event_has_woken(self, world: World):
        job_id = await world.submit()
        await world.tick()
        assert await world.status(job_id) == "queued"

    async def test_launches_while_the_cluster_is_looked_at(self, world: World):
        """A listing of thousands takes a while, which no launch has to wait for."""
        job_id = await world.submit()

        async def until_it_is_launched() -> None:
            async def launched() -> bool:
                return await world.status(job_id) == "queued"

            await until(launched, 10)

        world.cluster.faults.on("list", "pods", until_it_is_launched)
        assert await world.tick()

    async def test_publishes_what_no_broker_has_with_the_same_id(self, world: World):
        world.broker_is_up = False
        job_id = await world.submit()
        await world.tick()
        assert await world.pool.fetchval("select count(published_at) from job_events") == 0
        world.broker_is_up = True
        await world.tick(after=60)
        await world.tick(after=60)
        rows = await world.pool.fetch("select id from job_events")
        sent = [event.id for event in world.published]
        assert set(sent) == {str(row["id"]) for row in rows}
        assert len(sent) == len(set(sent))
        assert [e.extensions["sequence"] for e in world.published][:2] == ["1", "2"]
        assert {event.subject for event in world.published} == {str(job_id)}

    async def test_reminds_of_a_registration_that_nobody_made(self, world: World):
        job_id = await make_job(world.pool, Status.SUCCEEDED, request=request_of())
        await world.tick()
        await world.tick()
        succeeded = [e for e in world.published if e.type.endswith("succeeded.v1")]
        assert len(succeeded) > 1
        assert {event.id for event in succeeded} == {succeeded[0].id}
        assert succeeded[0].subject == str(job_id)
        await world.pool.execute("update work set state = 'done'")
        world.published.clear()
        await world.tick()
        assert not world.published

    async def test_goes_on_with_the_rest_when_the_cluster_is_away(self, world: World):
        world.cluster.faults.add("unavailable", times=None)
        await make_job(world.pool, Status.SUCCEEDED, request=request_of())
        await world.tick()
        assert world.published


class TestTokens:
    async def test_are_issued_again_past_half_of_their_life(self, world: World):
        job_id = await world.start(resourceProfile={"maxDuration": 1440})
        name = f"train-{job_id}-1"
        before = await world.cluster.client.get("secrets", name)
        await world.beat(job_id)
        await world.tick(after=2 * 3600)
        same = await world.cluster.client.get("secrets", name)
        await world.beat(job_id)
        await world.tick(after=3600 + 60)
        after = await world.cluster.client.get("secrets", name)
        assert before
        assert same
        assert after
        assert before["data"] == same["data"]
        assert before["data"]["token"] != after["data"]["token"]
        issued = (await world.attempt(job_id))["token_issued_at"]
        assert timedelta() <= world.now() - issued < timedelta(minutes=1)

    async def test_are_issued_again_where_the_secret_is_lost(self, world: World):
        job_id = await world.submit()
        world.cluster.faults.add("unavailable", verb="create", resource="secrets")
        await world.tick()
        await apply(world.pool, intent_of(job_id, Trigger.LAUNCHED), world.now())
        await world.tick()
        pod = await world.cluster.pod(job_id)
        assert pod
        assert pod["status"]["phase"] == "Pending"
        await world.tick(after=360)
        row = await world.row(job_id)
        assert row["waiting_for"] is None
        assert not (await world.attempt(job_id))["first_bad_at"]
        await world.until_phase(job_id, "Running")
