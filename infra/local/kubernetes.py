"""The local server of the Kubernetes API, served in this process, and who may speak to it."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from infra.local.cluster import Cluster
from infra.local.home import Home, write_private
from infra.local.network import Server, bind

TRAINER_PREFIX = "trainer-"
DEFAULT_CAPACITY = {"cpu": str(os.cpu_count() or 1), "memory": "8Gi", "pods": "110"}


class Kubernetes:
    def __init__(
        self, home: Home, *, clone: Path, capacity: Mapping[str, str] | None, token: str
    ) -> None:
        self._home = home
        self._cluster: Any = Cluster(
            home.folder_of("cluster"),
            images=environments(clone),
            capacity=capacity or DEFAULT_CAPACITY,
            token=token,
        )
        self._server = Server(self._cluster.app, bind())

    async def start(self) -> None:
        await self._cluster.start()
        await self._server.start()

    async def stop(self) -> None:
        await self._cluster.stop(kill_pods=True)
        await self._server.stop()

    def environment(self) -> dict[str, str]:
        """What a function with a service-account token finds instead of one."""
        file = self._home / "kubeconfig.yaml"
        content = self._cluster.kubeconfig(self._server.address)
        write_private(file, content if isinstance(content, str) else yaml.safe_dump(content))
        return {"KUBECONFIG": str(file)}


def environments(clone: Path) -> dict[str, Path]:
    """Where the programs of an image lie, by the last part of its name."""
    made = {folder.name: folder / "bin" for folder in (clone / ".venvs").glob(f"{TRAINER_PREFIX}*")}
    return {**made, "functions": Path(sys.executable).parent}
