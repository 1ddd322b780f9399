from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests import kubernetes


@pytest_asyncio.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[kubernetes.Kubernetes]:
    async with kubernetes.run(tmp_path / "cluster") as started:
        yield started
