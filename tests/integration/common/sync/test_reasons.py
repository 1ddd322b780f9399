"""What a person reads when a job waits or has failed, for each thing that can go wrong."""

import json
from dataclasses import replace
from datetime import timedelta
from io import StringIO
from typing import Any, cast
from uuid import UUID

import msgspec
import pytest
from eventrain_client.replies import Attempt, Job
from rich.console import Console

from common.jobs import history, reading
from infra.cli import tables
from tests.kubernetes import until
from tests.world import World

OOM = {"exitCode": 137, "reason": "OOMKilled", "finishedAt": "2026-01-01T00:00:00Z"}
CRASH = "import sys; print('reading data'); print('KeyError: label'); sys.exit(1)"


async def show(world: World, job_id: UUID) -> str:
    """What `eventrain show` prints of its state and its attempts."""
    view = await reading.find_view(
        world.pool, job_id, now=world.now(), interval=timedelta(seconds=10)
    )
    page = await reading.attempts(world.pool, job_id, limit=10, after=None)
    tries = [history.attempt(row, lambda uri: uri) for row in page.rows]
    job = cast("Job", json.loads(msgspec.json.encode(view)))
    attempts = cast("list[Attempt]", json.loads(msgspec.json.encode(tries)))
    printed = Console(file=StringIO(), width=1000)
    printed.print(tables.job_facts(job, world.now()))
    printed.print(tables.attempts(attempts))
    return cast("StringIO", printed.file).getvalue()


async def until_shown(world: World, job_id: UUID, *words: str) -> str:
    """The page once it holds all of these; a tick before each look."""

    async def holds() -> str | None:
        await world.tick()
        page = await show(world, job_id)
        return page if all(word in page for word in words) else None

    try:
        return await until(holds, 60)
    except TimeoutError:
        raise AssertionError(await show(world, job_id)) from None


async def pod_name(world: World, job_id: UUID) -> str:
    pod = await world.cluster.pod(job_id)
    assert pod is not None
    return pod["metadata"]["name"]


class TestWaiting:
    @pytest.mark.parametrize(
        ("resolved", "words"),
        [
            (
                {"image": "missing"},
                ["its image cannot be pulled", "missing", "Check the image's name and tag"],
            ),
            ({"cpu": "1000"}, ["no node has room for it", "Insufficient cpu", "ask for less"]),
            (
                {"secrets": {"TOKEN": {"name": "nobody", "key": "x"}}},
                ["its container cannot be made", '"nobody" not found', "the Secrets that it names"],
            ),
        ],
        ids=["image", "room", "secret"],
    )
    async def test_says_what_it_waits_for_what_to_do_and_for_how_long(
        self, world: World, resolved: dict[str, Any], words: list[str]
    ) -> None:
        job_id = await world.submit(resolved=resolved)
        page = await until_shown(world, job_id, "waiting for", *words)
        assert "After 15 minutes of this it fails." in page
        assert "phase Pending" in page

    async def test_says_that_the_quota_is_used_up(self, world: World) -> None:
        world.cluster.faults.add("quota", verb="create", resource="jobs", times=None)
        job_id = await world.submit()
        page = await until_shown(world, job_id, "room in the quota of the cluster's namespace")
        assert "exceeded quota" in page

    async def test_says_that_the_cluster_does_not_answer(self, world: World) -> None:
        world.cluster.faults.add("unavailable", verb="create", resource="jobs", times=None)
        job_id = await world.submit()
        await until_shown(world, job_id, "the cluster, which is asked again")

    async def test_says_until_when_a_retry_is_put_off(self, world: World) -> None:
        job_id = await world.start()
        world.cluster.server.evict("trainers", await pod_name(world, job_id))
        await until_shown(world, job_id, "pending", "the delay before attempt 2, until")


class TestFailing:
    async def test_names_the_rule_the_exit_code_the_node_and_the_line_of_the_log(
        self, world: World
    ) -> None:
        job_id = await world.end(CRASH)
        await world.tick(after=31)
        page = await until_shown(world, job_id, "failed", "exit code 1")
        assert "log: KeyError: label" in page
        assert "Its log says more." in page
        node = (await world.attempt(job_id))["evidence"]["node"]
        assert node in page

    async def test_tells_what_the_trainer_said_and_what_to_do(self, world: World) -> None:
        job_id = await world.end(CRASH)
        said = {"outcome": "failed", "errorClass": "user", "message": "there is no column label"}
        await world.leave_result(job_id, {"done": said})
        page = await until_shown(world, job_id, "there is no column label")
        assert "trainer-says-user" in page
        assert "Correct the program or its parameters" in page

    async def test_of_an_evicted_pod_says_that_it_is_tried_again(self, world: World) -> None:
        job_id = await world.start()
        world.cluster.server.evict("trainers", await pod_name(world, job_id))
        page = await until_shown(world, job_id, "evicted")
        assert "It is tried again while it may be" in page
        assert "9" in page.split("evicted")[-1]

    async def test_of_a_lost_node_says_that_it_is_tried_elsewhere(self, world: World) -> None:
        job_id = await world.start()
        world.cluster.server.lose_node()
        page = await until_shown(world, job_id, "node-lost")
        assert "tried again on another node" in page

    async def test_of_a_pod_out_of_memory_says_to_ask_for_more(self, world: World) -> None:
        job_id = await world.start()
        pod = await world.cluster.pod(job_id)
        assert pod is not None
        pod["status"] |= {"phase": "Failed"}
        pod["status"]["containerStatuses"][0]["state"] = {"terminated": OOM}
        world.cluster.server.insert("pods", [pod])
        page = await until_shown(world, job_id, "out-of-memory")
        assert "OOMKilled; exit code 137" in page
        assert "Ask for more resourceProfile.memory" in page

    async def test_of_one_that_ran_too_long_says_to_give_it_longer(self, world: World) -> None:
        job_id = await world.start()
        await world.tick(after=3601)
        page = await until_shown(world, job_id, "deadline-exceeded")
        assert "ran longer than its maxDuration of 60 minutes" in page
        assert "Give it a longer maxDuration" in page

    async def test_of_one_that_could_not_start_says_why(self, world: World) -> None:
        world.limits = replace(world.limits, start_limit=timedelta(seconds=5))
        job_id = await world.submit(resolved={"image": "missing"})
        page = await until_shown(world, job_id, "image-not-found")
        assert "could not start" in page
        assert "Check the image's name and tag" in page

    async def test_of_a_refused_launch_says_what_the_cluster_said(self, world: World) -> None:
        world.cluster.faults.add("invalid", verb="create", resource="jobs", times=None)
        job_id = await world.submit()
        page = await until_shown(world, job_id, "launch-refused")
        assert "the cluster refused the job" in page
        assert "Correct the request" in page
