"""Every function is killed at every commit it makes, before it and after it. A job goes through
all the same, once."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
import pytest_asyncio

from tests.chaos.plant import Plant
from tests.chaos.tap import Side
from tests.postgres_server import PostgresServer

MOST_COMMITS = 8

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(600)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def plant(
    tmp_path_factory: pytest.TempPathFactory, postgres_server: PostgresServer
) -> AsyncIterator[Plant]:
    database = postgres_server.create()
    made = Plant(tmp_path_factory.mktemp("plant"), database.url)
    await made.start()
    yield made
    await made.stop()
    postgres_server.drop(database)


@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize(
    "function",
    ["submit-job", "launch-job", "heartbeat", "event", "done", "register-model", "status-sync"],
)
async def test_survives_a_kill_at_every_commit(plant: Plant, function: str, side: Side) -> None:
    for nth in range(1, MOST_COMMITS + 1):
        trap = plant.set_trap(function, nth, side)

        job_id = await plant.submit(uuid4().hex)
        await plant.check(job_id)

        if not trap.sprung.is_set():
            break
    plant.tap.trap = None
    assert nth > 1, f"{function} made no commit"


async def test_survives_a_kill_between_job_and_secret(plant: Plant) -> None:
    killed: list[bool] = []

    def kill() -> None:
        killed.append(True)
        plant.kill("launch-job")

    plant.faults.on("create", "jobs", kill, after=True, times=1)

    job_id = await plant.submit(uuid4().hex)
    await plant.check(job_id)

    assert killed
