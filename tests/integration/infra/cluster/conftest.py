from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.integration.infra.cluster.making import make_cluster
from tests.integration.infra.cluster.serving import Served, serve


@pytest_asyncio.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    """A cluster of one node; its pods end with the test."""
    cluster = make_cluster(tmp_path / "cluster")
    await cluster.start()
    try:
        async with serve(cluster, tmp_path) as served:
            yield served
    finally:
        await cluster.stop(kill_pods=True)
