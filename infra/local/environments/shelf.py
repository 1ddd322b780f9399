"""The environments that stand for trainers' images on this machine: found, or made meanwhile.

Who asks for an image that is not there yet is told how far it is, again and again, as one who asks a
node that pulls it.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from infra.local.cluster import Image, Pull
from infra.local.environments.recipe import PREFIX, Recipe, name_in
from infra.local.process import LAUNCHER

Program = Callable[[Recipe], Sequence[str]]

FIRST_PAUSE, LONGEST_PAUSE = 10.0, 300.0
# One that failed before is believed to go on when it has lasted so long.
TRIAL_SECONDS = 30.0


def own_program(recipe: Recipe) -> Sequence[str]:
    return (sys.executable, "-m", "infra.local.environments", recipe.name)


class Shelf:
    def __init__(
        self,
        clone: Path,
        report: Callable[[str], None],
        *,
        program: Program = own_program,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clone = clone
        self._report = report
        self._program = program
        self._clock = clock
        self._builds: dict[str, Build] = {}

    def find(self, reference: str) -> Image | Pull | None:
        """None for what is no image of a trainer's here. Begins what has to be made."""
        name = name_in(reference)
        if name is None:
            return None
        recipe = Recipe(self._clone, name)
        if not recipe.is_known:
            programs = recipe.folder / "bin"
            return Image(bin=programs) if programs.is_dir() else None
        if recipe.is_made:
            self._builds.pop(name, None)
            return Image(bin=recipe.folder / "bin")
        return self._pull(recipe)

    async def stop(self) -> None:
        await asyncio.gather(*(build.stop() for build in self._builds.values()))

    def kill(self) -> None:
        for build in self._builds.values():
            build.kill()

    def _pull(self, recipe: Recipe) -> Pull:
        build = self._builds.get(recipe.name)
        if build is None or (build.over and self._clock() >= build.again_at):
            build = Build(recipe, self._program(recipe), self._report, self._clock, build)
            self._builds[recipe.name] = build
        return build.told()


class Build:
    """One try at an environment, in a process that ends with this one."""

    def __init__(
        self,
        recipe: Recipe,
        command: Sequence[str],
        report: Callable[[str], None],
        clock: Callable[[], float],
        before: "Build | None",
    ) -> None:
        self.failure = before.failure if before else ""
        self.pause = min(before.pause * 2, LONGEST_PAUSE) if before else FIRST_PAUSE
        self.again_at = 0.0
        self._trial_until = clock() + TRIAL_SECONDS
        self._title = f"the environment of {PREFIX}{recipe.name}"
        self._report = report
        self._clock = clock
        self._step = "starting"
        self._process: asyncio.subprocess.Process | None = None
        self._task = asyncio.create_task(self._run(recipe.clone, command))

    @property
    def over(self) -> bool:
        return self._task.done()

    def told(self) -> Pull:
        if self.failure and (self.over or self._clock() < self._trial_until):
            return Pull(f"{self._title} could not be built: {self.failure}", failed=True)
        return Pull(f"building {self._title}: {self._step}")

    async def stop(self) -> None:
        self.kill()
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    def kill(self) -> None:
        if self._process and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    async def _run(self, clone: Path, command: Sequence[str]) -> None:
        settings = json.dumps({"parent": os.getpid(), "death_signal": int(signal.SIGKILL)})
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", str(LAUNCHER), settings, *command),
            cwd=clone,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            await self._follow(self._process)
        finally:
            self.kill()
            await self._process.wait()

    async def _follow(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            self._step = line.decode(errors="replace").strip() or self._step
            self._report(f"Building {self._title}: {self._step}")
        failed = await process.wait() != 0
        self.failure = self._step if failed else ""
        self.again_at = self._clock() + self.pause
        end = f"could not be built: {self._step}" if failed else "is built"
        self._report(f"T{self._title[1:]} {end}")
