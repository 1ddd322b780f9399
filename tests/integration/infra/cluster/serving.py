"""A cluster that serves on a loopback port, with the clients that a program would use."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
import uvicorn
from kubernetes.aio import client, config

from infra.local.cluster import Cluster
from tests.integration.infra.cluster.making import NAMESPACE, TOKEN

T = TypeVar("T")


@dataclass
class Served:
    cluster: Cluster
    address: str
    kubeconfig: Path
    batch: client.BatchV1Api
    core: client.CoreV1Api
    http: httpx.AsyncClient

    async def run(self, name: str, script: str, **changes: Any) -> Any:
        return await self.batch.create_namespaced_job(NAMESPACE, job(name, script, **changes))

    async def pod(self, name: str) -> Any:
        """The Job's pod, once there is one."""
        return await until(lambda: self._pod(name))

    async def pod_in(self, name: str, phase: str) -> Any:
        async def look() -> Any:
            pod = await self._pod(name)
            return pod if pod and pod.status.phase == phase else None

        return await until(look)

    async def finished(self, name: str) -> Any:
        async def look() -> Any:
            found = await self.batch.read_namespaced_job(name, NAMESPACE)
            kinds = {each.type for each in found.status.conditions or []}
            return found if kinds & {"Complete", "Failed"} else None

        return await until(look)

    async def logs(self, name: str, **options: Any) -> str:
        pod = await self.pod(name)
        return await self.core.read_namespaced_pod_log(pod.metadata.name, NAMESPACE, **options)

    async def said(self, name: str, text: str) -> str:
        async def started() -> bool:
            pod = await self._pod(name)
            return pod is not None and pod.status.phase != "Pending"

        async def look() -> str | None:
            written = await self.logs(name)
            return written if text in written else None

        await until(started)
        return await until(look)

    async def gone(self, name: str) -> None:
        async def look() -> bool:
            return await self._pod(name) is None

        await until(look)

    async def _pod(self, name: str) -> Any:
        selector = f"job-name={name}"
        found = await self.core.list_namespaced_pod(NAMESPACE, label_selector=selector)
        return found.items[0] if found.items else None


@asynccontextmanager
async def serve(cluster: Cluster, folder: Path) -> AsyncIterator[Served]:
    """Serves a started cluster; it is the caller's to stop."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        settings = uvicorn.Config(cluster.app, log_level="critical", lifespan="off")
        server = uvicorn.Server(settings)
        task = asyncio.create_task(server.serve([listener]))
        try:
            async with connect(address, cluster.kubeconfig(address), folder) as clients:
                yield Served(cluster, address, *clients)
        finally:
            server.should_exit = True
            await task


@asynccontextmanager
async def connect(address: str, kubeconfig: str, folder: Path) -> AsyncIterator[tuple[Any, ...]]:
    path = folder / "kubeconfig.yaml"
    path.write_text(kubeconfig)
    settings = client.Configuration()
    await config.load_kube_config(str(path), client_configuration=settings)
    headers = {"authorization": f"Bearer {TOKEN}"}
    async with (
        client.ApiClient(settings) as api,
        httpx.AsyncClient(base_url=address, headers=headers) as http,
    ):
        yield path, client.BatchV1Api(api), client.CoreV1Api(api), http


def job(name: str, script: str, *, spec: Any = None, pod: Any = None, **container: Any) -> Any:
    """A Job that runs a Python script, as the launcher would write it."""
    one = {"name": "trainer", "image": "eventrain/trainer:1", "command": ["python", "-c", script]}
    template = {"restartPolicy": "Never", "terminationGracePeriodSeconds": 1}
    template |= {"containers": [one | container], **(pod or {})}
    labels = {"app": "trainer"}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "labels": labels},
        "spec": {"backoffLimit": 0, **(spec or {})}
        | {"template": {"metadata": {"labels": labels}, "spec": template}},
    }


def secret(name: str, owner: Any = None, **values: str) -> Any:
    metadata: dict[str, Any] = {"name": name}
    if owner:
        metadata["ownerReferences"] = [
            {"apiVersion": "batch/v1", "kind": "Job"}
            | {"name": owner.metadata.name, "uid": owner.metadata.uid}
        ]
    return {"metadata": metadata, "stringData": values}


async def until(look: Callable[[], Awaitable[T]], seconds: float = 60.0) -> T:
    """What `look` answers, once it is true."""
    async with asyncio.timeout(seconds):
        while True:
            if found := await look():
                return found
            await asyncio.sleep(0.02)
