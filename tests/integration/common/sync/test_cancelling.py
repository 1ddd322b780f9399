"""Cancelling: rules 2 and 30."""

from tests.world import World

STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    "print('up', flush=True); time.sleep(60)"
)
TIDY = """
import signal, sys, time
def save(*_):
    print('saved', flush=True)
    sys.exit(143)
signal.signal(signal.SIGTERM, save)
print('up', flush=True)
time.sleep(60)
"""


class TestCancelling:
    async def test_stops_the_pod_with_its_grace_and_cancels_when_it_is_gone(self, world: World):
        job_id = await world.start(TIDY)
        await world.until_printed(job_id, "up")
        await world.cancel(job_id)
        await world.tick()
        assert await world.status(job_id) == "running"
        await world.until_job_is_over(job_id)
        await world.tick()
        assert await world.status(job_id) == "cancelled"
        assert (await world.events(job_id))[-2:] == ["cancel_requested", "cancelled"]

    async def test_cancels_when_the_grace_is_over(self, world: World):
        job_id = await world.start(STUBBORN, resolved={"terminationGraceSeconds": 3600})
        await world.until_printed(job_id, "up")
        await world.cancel(job_id)
        await world.tick()
        await world.tick(after=30)
        assert await world.status(job_id) == "running"
        await world.tick(after=31)
        assert await world.status(job_id) == "cancelled"

    async def test_cancels_what_has_no_pod_yet(self, world: World):
        job_id = await world.submit()
        await world.tick()
        world.cluster.faults.add("empty", verb="list", resource="pods", times=None)
        await world.cancel(job_id)
        await world.tick()
        assert await world.status(job_id) == "cancelled"
        await world.until_gone(job_id)

    async def test_never_retries_once_it_was_asked_for(self, world: World):
        job_id = await world.start(TIDY)
        await world.until_printed(job_id, "up")
        await world.cancel(job_id)
        pod = await world.cluster.pod(job_id)
        assert pod
        world.cluster.server.evict("trainers", pod["metadata"]["name"])
        await world.until_job_is_over(job_id)
        await world.tick()
        row = await world.row(job_id)
        assert (row["status"], row["attempt"]) == ("cancelled", 1)

    async def test_waits_for_the_grace_where_the_cluster_shows_no_job(self, world: World):
        job_id = await world.start()
        await world.cancel(job_id)
        world.cluster.faults.add("empty", times=None)
        await world.tick()
        assert await world.status(job_id) == "running"
        await world.tick(after=61)
        assert await world.status(job_id) == "cancelled"
