"""All functions of the stack, by name."""

import asyncio
import contextlib
from collections.abc import Iterable, Iterator, Mapping

from infra.local.function import Function
from infra.local.problem import ManifestProblem

PACE = 0.5


class Functions:
    def __init__(self, functions: Iterable[Function]) -> None:
        self._functions: Mapping[str, Function] = {f.plan.name: f for f in functions}
        self._watch: asyncio.Task[None] | None = None

    def __getitem__(self, name: str) -> Function:
        return self._functions[name]

    def __iter__(self) -> Iterator[Function]:
        return iter(self._functions.values())

    def require(self, name: str, *, wanted_by: str) -> Function:
        if name not in self._functions:
            raise ManifestProblem(f"{wanted_by} names the function {name}, which has no Service.")
        return self._functions[name]

    def start(self) -> None:
        self._watch = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watch
        await asyncio.gather(*(function.close() for function in self))

    def kill(self) -> None:
        for function in self:
            function.kill()

    async def _keep(self) -> None:
        while True:
            await asyncio.gather(*(function.keep() for function in self))
            await asyncio.sleep(PACE)
