"""Jobs that should not run: rule 15."""

from uuid import uuid4

from common.jobs.state import Trigger
from common.launch import manifest
from common.launch.launch import launch_due
from tests.jobs import apply, intent_of
from tests.world import World


class TestStrays:
    async def test_deletes_the_job_of_an_attempt_that_was_superseded(self, world: World):
        job_id = await world.start()
        await world.until_printed(job_id, "training")
        await apply(world.pool, intent_of(job_id, Trigger.FAILED_RETRYABLE), world.now())
        await world.tick()
        await world.until_gone(job_id, 1)
        assert await world.cluster.job(job_id, 2)
        log_uri = (await world.attempt(job_id, 1))["log_uri"]
        assert log_uri
        assert log_uri.endswith(f"jobs/{job_id}/1/pod.log")

    async def test_deletes_the_job_of_a_job_that_is_over(self, world: World):
        job_id = await world.start()
        await apply(world.pool, intent_of(job_id, Trigger.FAILED), world.now())
        await world.tick()
        await world.until_gone(job_id)

    async def test_deletes_a_job_that_nobody_knows(self, world: World):
        job_id = await world.start()
        ours = await world.cluster.job(job_id)
        assert ours
        stranger = uuid4()
        labels = manifest.labels_of(stranger, 1, "0" * 32)
        spec = ours["spec"]["template"]["spec"]
        await world.cluster.client.create(
            "jobs",
            {
                "metadata": {"name": f"train-{stranger}-1", "labels": labels},
                "spec": {
                    "backoffLimit": 0,
                    "template": {"metadata": {"labels": labels}, "spec": spec},
                },
            },
        )
        await world.tick()
        await world.until_gone(stranger)
        assert await world.cluster.job(job_id)

    async def test_leaves_a_trainer_alone_that_said_it_was_done_a_moment_ago(self, world: World):
        job_id = await world.start()
        await world.pool.execute("update jobs set status = 'succeeded', completed_at = now()")
        await world.pool.execute("update attempts set ended_at = $1, done = '{}'", world.now())
        await world.tick()
        assert await world.cluster.job(job_id)
        await world.tick(after=31)
        await world.until_gone(job_id)

    async def test_leaves_a_job_alone_that_was_launched_after_the_rows_were_read(
        self, world: World
    ):
        async def submit_and_launch() -> None:
            await world.submit()
            tools = world.tools()
            await launch_due(
                world.pool,
                cluster=world.cluster.client,
                site=tools.site,
                source="launch-job",
                now=world.now(),
                limit=10,
            )

        world.cluster.faults.on("list", "jobs", submit_and_launch)
        await world.tick()
        await world.tick()
        assert len(await world.cluster.names()) == 1
        assert world.cluster.faults.count("delete", "jobs") == 0
