"""Keeps one server process running: ready before it is used, started again when it dies."""

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable

from infra.local import process
from infra.local.problem import PartFailed
from infra.local.process import Child, Command
from infra.local.roster import Roster

LONGEST_PAUSE = 5.0


class Keeper:
    """`prepare` runs before each start, `ready` is asked until it says yes."""

    def __init__(
        self,
        command: Command,
        *,
        prepare: Callable[[], None],
        ready: Callable[[], Awaitable[bool]],
        roster: Roster,
        report: Callable[[str], None],
        stop_signal: int = signal.SIGTERM,
        patience: float = 30.0,
    ) -> None:
        self._command = command
        self._prepare = prepare
        self._ready = ready
        self._roster = roster
        self._report = report
        self._stop_signal = stop_signal
        self._patience = patience
        self._child: Child | None = None
        self._watch: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        return self._child.pid if self._child is not None and self._child.alive else None

    async def start(self) -> None:
        """Raises PartFailed when it dies or is not ready in time."""
        await self._start_once()
        self._watch = asyncio.create_task(self._keep())

    async def stop(self, *, grace: float = 10.0) -> None:
        if self._watch is not None:
            self._watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watch
        if self._child is not None:
            await self._child.stop(grace=grace, number=self._stop_signal)
            self._roster.remove(self._child.pid)

    def kill(self) -> None:
        if self._child is not None:
            self._child.kill()

    async def _keep(self) -> None:
        pause = 0.1
        while self._child is not None:
            code = await self._child.wait()
            self._roster.remove(self._child.pid)
            self._report(f"{self._command.name} ended ({code}): starting it again")
            try:
                await self._start_once()
                pause = 0.1
            except (PartFailed, OSError) as problem:
                self._report(str(problem))
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)

    async def _start_once(self) -> None:
        self._prepare()
        child = self._child = await process.start(self._command)
        self._roster.add(child.pid)
        try:
            async with asyncio.timeout(self._patience):
                await self._until_ready(child)
        except TimeoutError:
            child.kill()
            raise PartFailed(self._sentence("is not ready")) from None

    async def _until_ready(self, child: Child) -> None:
        while child.alive:
            if await self._ready():
                return
            await asyncio.sleep(0.03)
        raise PartFailed(self._sentence("does not start"))

    def _sentence(self, what: str) -> str:
        log = self._command.log
        return f"{self._command.name} {what}: {process.log_tail(log) or 'no word'} (see {log})"
