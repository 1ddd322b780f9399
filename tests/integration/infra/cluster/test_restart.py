import asyncio
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from infra.local.cluster.kubeconfig import write_kubeconfig
from tests.integration.infra.cluster.making import NAMESPACE, TOKEN, make_cluster
from tests.integration.infra.cluster.serving import Served, connect, secret, until

_ROOT = Path(__file__).parents[4]
_COUNT = """
import pathlib, sys, time
runs = pathlib.Path(sys.argv[1])
with runs.open("a") as file:
    file.write("run\\n")
print("up", flush=True)
while not pathlib.Path(sys.argv[2]).exists():
    time.sleep(0.02)
sys.exit(7)
"""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass
class Outside:
    """A server process that can be killed and started again on the same folder and port."""

    folder: Path
    port: int = field(default_factory=_free_port)
    process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.integration.infra.cluster.outside",
            str(self.folder / "cluster"),
            str(self.port),
            cwd=_ROOT,
        )
        await until(self._answers, 30)

    async def end(self, number: int) -> None:
        if self.process:
            self.process.send_signal(number)
            await self.process.wait()
            self.process = None

    async def _answers(self) -> bool:
        try:
            async with httpx.AsyncClient() as http:
                answer = await http.get(f"http://127.0.0.1:{self.port}/readyz")
        except httpx.TransportError:
            return False
        return answer.status_code == 200


@asynccontextmanager
async def _served(outside: Outside) -> AsyncIterator[Served]:
    address = f"http://127.0.0.1:{outside.port}"
    kubeconfig = write_kubeconfig(address, TOKEN, NAMESPACE)
    async with connect(address, kubeconfig, outside.folder) as clients:
        unused = make_cluster(outside.folder / "unused")
        unused.store.close()
        yield Served(unused, address, *clients)


@pytest.fixture
def runs(tmp_path: Path) -> tuple[Path, Path]:
    """The file to which each run adds a line, and the one that ends it."""
    return tmp_path / "runs", tmp_path / "end"


@asynccontextmanager
async def _outside(folder: Path) -> AsyncIterator[Outside]:
    outside = Outside(folder)
    await outside.start()
    try:
        yield outside
    finally:
        await outside.end(signal.SIGTERM)


class TestRestart:
    async def test_a_killed_server_finds_its_pods_and_learns_how_they_end(
        self, tmp_path: Path, runs: tuple[Path, Path]
    ) -> None:
        async with _outside(tmp_path) as outside, _served(outside) as served:
            await served.run("train-1", _COUNT, args=[str(each) for each in runs])
            await served.said("train-1", "up")
            await outside.end(signal.SIGKILL)
            await outside.start()
            assert (await served.pod("train-1")).status.phase == "Running"
            runs[1].touch()
            await served.finished("train-1")
            pod = await served.pod("train-1")
        assert pod.status.container_statuses[0].state.terminated.exit_code == 7
        assert runs[0].read_text() == "run\n"

    async def test_an_end_while_the_server_was_away_is_not_lost(
        self, tmp_path: Path, runs: tuple[Path, Path]
    ) -> None:
        async with _outside(tmp_path) as outside, _served(outside) as served:
            await served.run("train-1", _COUNT, args=[str(each) for each in runs])
            await served.said("train-1", "up")
            uid = (await served.pod("train-1")).metadata.uid
            await outside.end(signal.SIGKILL)
            runs[1].touch()
            ended = tmp_path / f"cluster/pods/{uid}/containers/trainer/exit.json"
            await until(lambda: asyncio.to_thread(ended.exists))
            await outside.start()
            await served.finished("train-1")
            pod = await served.pod("train-1")
        assert pod.status.container_statuses[0].state.terminated.exit_code == 7

    async def test_a_pod_that_waited_for_its_secret_waits_on(
        self, tmp_path: Path, runs: tuple[Path, Path]
    ) -> None:
        volume = {"name": "it", "secret": {"secretName": "late"}}
        async with _outside(tmp_path) as outside, _served(outside) as served:
            await served.run("train-1", "print('ran')", pod={"volumes": [volume]})
            await served.pod("train-1")
            await outside.end(signal.SIGKILL)
            await outside.start()
            assert (await served.pod("train-1")).status.phase == "Pending"
            await served.core.create_namespaced_secret(NAMESPACE, secret("late", key="v"))
            assert (await served.finished("train-1")).status.succeeded == 1
