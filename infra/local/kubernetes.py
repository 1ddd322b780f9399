"""The local server of the Kubernetes API, served in this process, and who may speak to it."""

import contextlib
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from infra.local.cluster import Cluster, Faults
from infra.local.environments.shelf import Shelf
from infra.local.home import Home, write_private
from infra.local.network import Server, bind
from infra.local.trigger_api import TriggerApi

DEFAULT_CAPACITY = {"cpu": str(os.cpu_count() or 1), "memory": "8Gi", "pods": "110"}


class Kubernetes:
    def __init__(
        self,
        home: Home,
        *,
        clone: Path,
        namespace: str,
        namespaces: Iterable[str],
        capacity: Mapping[str, str] | None,
        token: str,
        triggers: TriggerApi,
        report: Callable[[str], None],
        faults: Faults | None = None,
    ) -> None:
        self._home = home
        self._namespace = namespace
        self._shelf = Shelf(clone, report)
        self.cluster = Cluster(
            home.folder_of("cluster"),
            images=self._shelf.find,
            capacity=capacity or DEFAULT_CAPACITY,
            token=token,
            faults=faults,
            namespaces=namespaces,
            routes=triggers.routes(),
        )
        self._server = Server(self.cluster.app, bind())

    async def start(self) -> None:
        await self.cluster.start()
        await self._server.start()

    async def stop(self) -> None:
        await self._shelf.stop()
        await self.cluster.stop(kill_pods=True)
        await self._server.stop()

    def kill(self) -> None:
        """Every pod, at once, and what is made for one."""
        self._shelf.kill()
        with contextlib.suppress(RuntimeError):
            self.cluster.lose_node()

    def environment(self) -> dict[str, str]:
        """What a function with a service-account token finds instead of one."""
        file = self._home / "kubeconfig.yaml"
        write_private(file, self.cluster.kubeconfig(self._server.address, self._namespace))
        return {"KUBECONFIG": str(file)}
