"""One function: started by its first request, stopped when idle, as Knative does."""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from infra.local import network, process
from infra.local.process import Child, Command
from infra.local.roster import Roster
from infra.local.service import FunctionPlan

GRACE = 10.0
LONGEST_QUEUE = 1000
LONGEST_PAUSE = 5.0
PROBE_TIMEOUT = aiohttp.ClientTimeout(total=2)


class NotReady(Exception):
    """The function cannot take the request now."""


@dataclass(frozen=True)
class Surroundings:
    """What every function shares: where it runs and how long it stays."""

    clone: Path
    logs: Path
    idle_seconds: float
    start_seconds: float
    cluster_environment: Mapping[str, str]


class Function:
    def __init__(
        self,
        plan: FunctionPlan,
        surroundings: Surroundings,
        *,
        session: aiohttp.ClientSession,
        roster: Roster,
        report: Callable[[str], None],
    ) -> None:
        self.plan = plan
        self._surroundings = surroundings
        self._session = session
        self._roster = roster
        self._report = report
        self._child: Child | None = None
        self._address = ""
        self._ready = False
        self._starting: asyncio.Task[str] | None = None
        self._slots = asyncio.Semaphore(plan.concurrency or LONGEST_QUEUE)
        self._waiting = 0
        self._busy = 0
        self._used_at = time.monotonic()
        self._crashes = 0
        self._closing = asyncio.Event()
        self._endings: set[asyncio.Task[None]] = set()
        self._children: set[Child] = set()

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child is not None and self._child.alive else None

    @contextlib.asynccontextmanager
    async def request(self) -> AsyncGenerator[str]:
        """Lends the address of a ready process; NotReady when there is none in time."""
        if self._waiting >= LONGEST_QUEUE:
            raise NotReady(f"{self.plan.name} has too many requests waiting")
        self._waiting += 1
        self._busy += 1
        try:
            async with self._slot():
                yield await self._ready_address()
        finally:
            self._busy -= 1
            self._used_at = time.monotonic()

    @contextlib.asynccontextmanager
    async def _slot(self) -> AsyncGenerator[None]:
        try:
            await self._slots.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._slots.release()

    async def keep(self) -> None:
        """Called every second or so: starts what must not be at zero, stops what is idle."""
        if self.plan.min_scale > 0 and self.pid is None:
            with contextlib.suppress(NotReady):
                await self._ready_address()
        elif self.pid is not None and self._is_idle():
            await self.stop()

    async def stop(self) -> None:
        child, self._child, self._ready = self._child, None, False
        if child is not None:
            ending = asyncio.create_task(self._end(child))
            self._endings.add(ending)
            ending.add_done_callback(self._endings.discard)
            await asyncio.shield(ending)

    async def close(self) -> None:
        """Stop for good: no request starts it again."""
        self._closing.set()
        if self._starting is not None:
            await asyncio.gather(self._starting, return_exceptions=True)
        await self.stop()
        await asyncio.gather(*self._endings)

    def doubt(self) -> None:
        """A connection broke off: the next request looks first whether the process is there."""
        self._ready = False

    def kill(self) -> None:
        for child in self._children:
            child.kill()

    async def _end(self, child: Child) -> None:
        await child.stop(grace=GRACE)
        self._forget(child)

    def _forget(self, child: Child) -> None:
        self._children.discard(child)
        self._roster.remove(child.pid)

    def _is_idle(self) -> bool:
        allowed = self.plan.idle_seconds
        allowed = self._surroundings.idle_seconds if allowed is None else allowed
        quiet = time.monotonic() - self._used_at > allowed
        return quiet and self._busy == 0 and self.plan.min_scale == 0

    async def _ready_address(self) -> str:
        if self._ready and self._child is not None and self._child.alive:
            return self._address
        if self._starting is None:
            self._starting = asyncio.create_task(self._start())
            self._starting.add_done_callback(self._forget_start)
        return await asyncio.shield(self._starting)

    def _forget_start(self, start: asyncio.Task[str]) -> None:
        self._starting = None
        if not start.cancelled():
            start.exception()

    async def _start(self) -> str:
        if self._child is None or not await self._becomes_ready(self._child):
            await self._start_anew()
        self._ready, self._crashes = True, 0
        return self._address

    async def _start_anew(self) -> None:
        await self._reap()
        if self._closing.is_set():
            raise NotReady(f"{self.plan.name} is being stopped")
        port = network.free_port()
        try:
            child = self._child = await process.start(self._command(port))
        except OSError as problem:
            raise NotReady(f"{self.plan.name} cannot be started: {problem.strerror}") from problem
        self._children.add(child)
        self._roster.add(child.pid)
        self._address = f"http://{network.LOOPBACK}:{port}"
        self._used_at = time.monotonic()
        if not await self._becomes_ready(child):
            word = process.log_tail(self._log, 1)
            raise NotReady(f"{self.plan.name} ended while starting: {word}")

    async def _reap(self) -> None:
        """A crash is told, and one right after another waits a little."""
        if self._child is None:
            return
        code = await self._child.wait()
        self._forget(self._child)
        self._child = None
        self._report(f"{self.plan.name} ended ({code}): starting it again")
        self._crashes += 1
        if self._crashes > 1:
            await self._pause(min(0.1 * 2 ** (self._crashes - 2), LONGEST_PAUSE))

    async def _pause(self, seconds: float) -> None:
        """Ends at once when the stack stops."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._closing.wait()

    async def _becomes_ready(self, child: Child) -> bool:
        """False when it ended instead."""
        deadline = time.monotonic() + self._surroundings.start_seconds
        while child.alive:
            if await self._answers_ready():
                return True
            if time.monotonic() > deadline or self._closing.is_set():
                await self.stop()
                raise NotReady(f"{self.plan.name} is not ready yet")
            await asyncio.sleep(0.02)
        return False

    async def _answers_ready(self) -> bool:
        address = self._address + self.plan.readiness_path
        try:
            async with self._session.get(address, timeout=PROBE_TIMEOUT) as answer:
                return answer.status < 400
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False

    @property
    def _log(self) -> Path:
        return self._surroundings.logs / f"{self.plan.name}.log"

    def _command(self, port: int) -> Command:
        access = self._surroundings.cluster_environment if self.plan.cluster_access else {}
        return Command(
            name=self.plan.name,
            argv=self.plan.argv,
            folder=self._surroundings.clone,
            log=self._log,
            environment={
                **self.plan.environment,
                **access,
                "PORT": str(port),
                "BIND_ADDRESS": network.LOOPBACK,
            },
        )
