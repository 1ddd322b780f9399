"""A small cluster of processes, in this process: reached over ASGI, told to misbehave by faults."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import msgspec

from common.launch.cluster import SELECTOR, Cluster, Page
from common.launch.manifest import Addresses
from common.launch.plan import Site
from common.settings import Storage
from common.tokens.keyring import Key, KeyRing
from infra.local.cluster.cluster import Cluster as Server
from infra.local.cluster.environment import Image
from infra.local.cluster.faults import Faults

NAMESPACE = "trainers"
TOKEN = "test-token"
SLEEP = "import time; print('training', flush=True); time.sleep(60)"
STORAGE = Storage(
    "http://127.0.0.1:9", "http://127.0.0.1:9", "eventrain", "us-east-1", "key", "secret"
)
READ = msgspec.json.Decoder(Page[dict[str, Any]]).decode
SITE = Site(
    namespace=NAMESPACE,
    addresses=Addresses(
        "http://gate", "http://beat", "http://event", "http://done", None, timedelta(seconds=10)
    ),
    start_allowance=timedelta(minutes=15),
    storage=STORAGE,
    ring=KeyRing(Key("k1", b"s" * 32), {"k1": Key("k1", b"s" * 32)}),
)


@dataclass
class Kubernetes:
    """The server, its faults, and our client of it."""

    server: Server
    faults: Faults
    client: Cluster

    async def names(self, kind: Any = "jobs") -> list[str]:
        return sorted(item["metadata"]["name"] for item in await self.listed(kind))

    async def job(self, job_id: UUID, attempt: int = 1) -> dict[str, Any] | None:
        return await self.client.get("jobs", f"train-{job_id}-{attempt}")

    async def pod(self, job_id: UUID, attempt: int = 1) -> dict[str, Any] | None:
        found = await self.listed("pods", f"job-id={job_id},attempt={attempt}")
        return found[0] if found else None

    async def listed(self, kind: Any, selector: str = SELECTOR) -> list[dict[str, Any]]:
        """The objects, whole."""
        pages = self.client.pages(kind, READ, selector)
        return [item async for page in pages for item in page]


class Transport(httpx.ASGITransport):
    """An answer that breaks off is a broken connection, as it would be over a socket."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            return await super().handle_async_request(request)
        except AssertionError:
            raise httpx.RemoteProtocolError("cut") from None


@asynccontextmanager
async def run(folder: Path, *, page: int = 500) -> AsyncGenerator[Kubernetes]:
    """A started cluster whose pods die with it."""
    faults = Faults()
    server = Server(
        folder,
        images=lambda name: None if "missing" in name else Image(),
        capacity={"cpu": "64", "memory": "64Gi"},
        token=TOKEN,
        faults=faults,
        namespaces=(NAMESPACE,),
    )
    await server.start()
    client = httpx.AsyncClient(
        transport=Transport(server.app),
        base_url="http://cluster",
        headers={"authorization": f"Bearer {TOKEN}"},
    )
    try:
        async with client:
            yield Kubernetes(server, faults, Cluster(client, NAMESPACE, page=page))
    finally:
        await server.stop(kill_pods=True)


def request_of(script: str = SLEEP, **changes: Any) -> dict[str, Any]:
    """A stored job request whose trainer runs this program."""
    resolved = {
        "framework": "sklearn",
        "image": "eventrain/trainer-sklearn:0.1.0",
        "command": ["python3", "-c", script],
        "gpu": None,
        "cpu": "100m",
        "memory": "64Mi",
        "sharedMemory": None,
        "terminationGraceSeconds": 5,
        "datasetUri": None,
        "modelUri": None,
        "checkpoint": None,
        "secrets": {},
    }
    resolved |= changes.pop("resolved", {})
    return {
        "resourceProfile": {"cpuCores": 1, "memory": "64Mi", "maxDuration": 60},
        "hyperparameters": {"epochs": 3},
        "resolved": resolved,
        **changes,
    }


async def until(condition: Callable[[], Any], seconds: float = 60) -> Any:
    """What the condition gives once it is true."""
    async with asyncio.timeout(seconds):
        while True:
            found = await condition()
            if found:
                return found
            await asyncio.sleep(0.03)
