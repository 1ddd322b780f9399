import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import psutil
import pytest_asyncio

from infra.local.network import bind, free_port
from tests.integration.infra.local.clone import Clone
from tests.integration.infra.local.conftest import eventually

SCRIPT = Path(__file__).with_name("small_stack.py")
REPOSITORY = Path(__file__).parents[4]


class Up:
    """One `up` in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.said: list[str] = []

    async def hears(self, start: str) -> str:
        assert self.process.stdout is not None
        async with asyncio.timeout(30):
            async for line in self.process.stdout:
                self.said.append(line.decode().strip())
                if self.said[-1].startswith(start):
                    return self.said[-1]
        raise AssertionError(self.said)

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)


class Ups:
    def __init__(self, clone: Clone, home: Path) -> None:
        self.clone = clone
        self.home = home
        self.port = free_port()
        self._all: list[Up] = []

    async def start(self, *, port: int | None = None) -> Up:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(SCRIPT)),
            *(str(self.clone.folder), str(self.home), str(port or self.port)),
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            stdout=subprocess.PIPE,
        )
        self._all.append(Up(process))
        return self._all[-1]

    async def end(self) -> None:
        for up in self._all:
            if up.process.returncode is None:
                up.process.kill()
            await up.process.wait()


@pytest_asyncio.fixture
async def ups(clone: Clone, tmp_path: Path) -> AsyncIterator[Ups]:
    clone.add_function("small")
    made = Ups(clone, tmp_path / "home")
    yield made
    await made.end()


class TestUp:
    async def test_ctrl_c_stops_everything_and_says_so(self, ups: Ups) -> None:
        up = await ups.start()
        address = (await up.hears("ready")).split()[1]
        async with httpx.AsyncClient() as client:
            assert (await client.get(f"{address}/small")).status_code == 200
        family = up.family()
        assert {"rclone", "postgres"} <= {process.name() for process in family}
        up.process.send_signal(signal.SIGINT)
        await up.hears("stopped")
        assert await up.process.wait() == 0
        assert not [process for process in family if process.is_running()]

    async def test_its_client_file_opens_the_gateway_and_is_ours_alone(self, ups: Ups) -> None:
        up = await ups.start()
        address = (await up.hears("ready")).split()[1]
        file = ups.home / "client.json"
        assert json.loads(file.read_text())["address"] == address
        assert file.stat().st_mode & 0o777 == 0o600
        kubeconfig = ups.home / "kubeconfig.yaml"
        assert kubeconfig.stat().st_mode & 0o777 == 0o600

    async def test_a_kill_leaves_no_process_and_the_home_starts_again(self, ups: Ups) -> None:
        up = await ups.start()
        address = (await up.hears("ready")).split()[1]
        async with httpx.AsyncClient() as client:
            await client.get(f"{address}/small")
        family = up.family()
        up.process.kill()
        await eventually(lambda: not [process for process in family if process.is_running()])
        again = await ups.start()
        await again.hears("ready")

    async def test_a_second_ctrl_c_does_not_wait_for_a_slow_function(self, ups: Ups) -> None:
        up = await ups.start()
        address = (await up.hears("ready")).split()[1]
        async with httpx.AsyncClient(timeout=30) as client:
            await client.get(f"{address}/small")
            slow = asyncio.create_task(client.get(f"{address}/small/slow?20"))
            await asyncio.sleep(0.3)
            for _ in range(2):
                up.process.send_signal(signal.SIGINT)
                await asyncio.sleep(0.2)
            async with asyncio.timeout(15):
                await up.hears("stopped")
            slow.cancel()
            await asyncio.gather(slow, return_exceptions=True)

    async def test_ctrl_c_while_starting_stops_too(self, ups: Ups) -> None:
        up = await ups.start()
        await up.hears("Starting Postgres")
        up.process.send_signal(signal.SIGTERM)
        await up.hears("Interrupted")
        assert await up.process.wait() == 1
        assert not psutil.pid_exists(up.process.pid)


class TestProblems:
    async def test_a_taken_port(self, ups: Ups) -> None:
        with bind() as taken:
            port = taken.getsockname()[1]
            up = await ups.start(port=port)
            said = await up.hears("PortTaken")
        assert said == f"PortTaken Port {port} is taken: choose another one with --port."
        assert await up.process.wait() == 1

    async def test_a_home_in_use(self, ups: Ups) -> None:
        first = await ups.start()
        await first.hears("ready")
        second = await ups.start(port=free_port())
        assert f"(pid {first.process.pid})" in await second.hears("HomeProblem")
        assert await second.process.wait() == 1

    async def test_a_migration_that_fails(self, ups: Ups) -> None:
        (ups.clone.folder / "common/migrate.py").write_text("raise SystemExit('no such table')")
        up = await ups.start()
        assert "no such table" in await up.hears("PartFailed")
        assert await up.process.wait() == 1

    async def test_a_folder_that_is_no_clone(self, ups: Ups) -> None:
        for file in (ups.clone.folder / "knative/services").iterdir():
            file.unlink()
        up = await ups.start()
        assert "no Knative Service" in await up.hears("ManifestProblem")
