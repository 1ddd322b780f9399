"""The cluster as a process of its own, for tests that kill it: `outside.py FOLDER PORT`."""

import asyncio
import sys
from pathlib import Path

import uvicorn

from tests.integration.infra.cluster.making import make_cluster


async def main(folder: Path, port: int) -> None:
    cluster = make_cluster(folder)
    await cluster.start()
    settings = uvicorn.Config(cluster.app, port=port, log_level="warning", lifespan="off")
    await uvicorn.Server(settings).serve()
    await cluster.stop(kill_pods=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
