import asyncio
from typing import Any, cast
from uuid import uuid4

from common.launch.cluster import Cluster, Refused
from common.sync.decision import DeleteJob
from common.sync.enforce import ASKED_IN_ONE_TICK, AT_ONCE, enforce
from common.sync.observe import Key, SeenJob


class Busy:
    """A cluster that refuses every third deletion, and counts how many it is asked at once."""

    def __init__(self) -> None:
        self.asked = 0
        self.at_once = 0
        self._now = 0

    async def delete(self, kind: str, name: str, **options: Any) -> None:
        self.asked += 1
        self._now += 1
        self.at_once = max(self.at_once, self._now)
        await asyncio.sleep(0)
        self._now -= 1
        if self.asked % 3 == 0:
            raise Refused(429, "too many requests")


def unwanted() -> DeleteJob:
    return DeleteJob(SeenJob(Key(uuid4(), 1), "n", "u"))


class TestEnforce:
    async def test_asks_a_few_things_at_once_and_leaves_the_rest_to_the_next_tick(self):
        cluster = Busy()
        deletions = [unwanted() for _ in range(ASKED_IN_ONE_TICK + 10)]
        await enforce(cast(Cluster, cluster), deletions)
        assert (cluster.asked, cluster.at_once) == (ASKED_IN_ONE_TICK, AT_ONCE)
