"""Rules 21 and 22: a broker that repeats, reorders and loses. A job goes through all the same,
once, because events only wake."""

import random
from collections.abc import AsyncIterator, Sequence
from typing import Literal
from uuid import uuid4

import pytest
import pytest_asyncio

from infra.local.cloudevent import Event
from tests.chaos.plant import Plant
from tests.postgres_server import PostgresServer

Manners = Literal["at once", "three times", "in any order", "not the first time"]

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]


class Deliveries:
    """When each Trigger gets an event; the clock's ticks come as they should."""

    def __init__(self) -> None:
        self.manners: Manners = "at once"
        self._seen: set[tuple[str, str]] = set()
        self._random = random.Random(7)

    def __call__(self, event: Event, trigger: str) -> Sequence[float]:
        delivery = (event.attributes["id"], trigger)
        first = delivery not in self._seen
        self._seen.add(delivery)
        if trigger == "status-sync" or self.manners == "at once":
            return (0.0,)
        if self.manners == "three times":
            return (0.0, 0.0, self._random.random())
        if self.manners == "in any order":
            return (3 * self._random.random(),)
        return () if first else (0.0,)


@pytest.fixture(scope="module")
def deliveries() -> Deliveries:
    return Deliveries()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def plant(
    tmp_path_factory: pytest.TempPathFactory,
    postgres_server: PostgresServer,
    deliveries: Deliveries,
) -> AsyncIterator[Plant]:
    database = postgres_server.create()
    made = Plant(tmp_path_factory.mktemp("plant"), database.url, timing=deliveries)
    await made.start()
    yield made
    await made.stop()
    postgres_server.drop(database)


@pytest.mark.parametrize("manners", ["three times", "in any order", "not the first time"])
async def test_survives_a_broker_that_delivers(
    plant: Plant, deliveries: Deliveries, manners: Manners
) -> None:
    deliveries.manners = manners

    job_id = await plant.submit(uuid4().hex)

    await plant.check(job_id)
