import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from infra.local import manifests
from infra.local.function import Function, Surroundings
from infra.local.home import Home
from infra.local.network import address_of, bind
from infra.local.roster import Roster
from infra.local.service import Values
from infra.local.serving import Doors, Serving
from infra.local.settings import StackSettings
from infra.local.trigger_api import TriggerApi
from tests.integration.infra.local.clone import Clone


@dataclass
class Running:
    """The part of a stack that the manifests become."""

    client: httpx.AsyncClient
    broker: str
    small: Function
    told: list[str]


Serve = Callable[..., AbstractAsyncContextManager[Running]]


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone(tmp_path / "clone")


@pytest.fixture
def serve(clone: Clone, tmp_path: Path) -> Serve:
    @asynccontextmanager
    async def start(**settings: Any) -> AsyncGenerator[Running]:
        if not (clone.folder / "knative/services/small.yaml").exists():
            clone.add_function("small")
        home, told = Home(tmp_path / "home"), list[str]()
        home.open()
        whole = StackSettings(home=home.folder, clone=clone.folder, **{"tick": None, **settings})
        doors = Doors(gateway=bind(), broker=bind())
        found = manifests.load(clone.folder)
        serving = Serving(
            whole,
            home,
            found,
            doors=doors,
            applied=TriggerApi(found.triggers),
            roster=Roster(home / "processes.json"),
            report=told.append,
        )
        surroundings = Surroundings(
            clone=clone.folder,
            logs=home.folder_of("logs"),
            idle_seconds=whole.idle_seconds,
            start_seconds=whole.start_seconds,
            cluster_environment={"KUBECONFIG": "here"},
        )
        address = address_of(doors.gateway)
        async with httpx.AsyncClient(base_url=address, timeout=20) as client:
            try:
                await serving.start(Values({}, {}, {}), surroundings)
                broker = address_of(doors.broker) + "/broker"
                yield Running(client, broker, serving.functions["small"], told)
            finally:
                await serving.stop()
                doors.close()
                home.close()

    return start


async def eventually(condition: Callable[[], object], *, within: float = 60.0) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        await asyncio.sleep(0.02)
