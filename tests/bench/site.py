"""`python -m tests.bench.site FOLDER PORT BROKER_PORT CONSUMER`: the local API server and a broker, in
a process apart from the load.

The broker answers 202 at once, hands `job.submitted` to the consumer, as many at a time as its
Service takes, and again after 503. The node runs no more containers at a time than the machine can
take: whoever waits for a core waits as pending. All of it is elsewhere in production, so here it
takes of the cores what the functions and Postgres leave.
"""

import asyncio
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

import aiohttp
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests import kubernetes

AT_ONCE, TRIES = 8, 20
NICE = 5


def broker(consumer: str, session: aiohttp.ClientSession) -> Starlette:
    """One Trigger: whatever was submitted goes to the consumer."""
    room, under_way = asyncio.Semaphore(AT_ONCE), set[asyncio.Task[None]]()

    async def deliver(headers: dict[str, str], body: bytes) -> None:
        for number in range(TRIES):
            async with room:
                with suppress(aiohttp.ClientError, TimeoutError):
                    async with session.post(consumer, headers=headers, data=body) as answer:
                        if answer.status not in (429, 503):
                            return
            await asyncio.sleep(min(5, 0.2 * 2**number))

    async def accept(request: Request) -> Response:
        if request.headers.get("ce-type") == "dev.eventrain.job.submitted.v1":
            headers = {
                k: v for k, v in request.headers.items() if k.startswith(("ce-", "content-t"))
            }
            task = asyncio.create_task(deliver(headers, await request.body()))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
        return Response(status_code=202)

    return Starlette(routes=[Route("/{path:path}", accept, methods=["POST"])])


async def main(folder: Path, port: int, broker_port: int, consumer: str) -> None:
    async with kubernetes.run(folder) as cluster, aiohttp.ClientSession() as session:
        (folder / "kubeconfig").write_text(cluster.server.kubeconfig(f"http://127.0.0.1:{port}"))
        servers = [
            uvicorn.Server(uvicorn.Config(app, port=at, log_config=None, lifespan="off"))
            for app, at in ((cluster.server.app, port), (broker(consumer, session), broker_port))
        ]
        await asyncio.gather(*(server.serve() for server in servers))


def _leave(*_: object) -> None:
    sys.exit(0)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _leave)
    os.nice(NICE)
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]))
