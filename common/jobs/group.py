"""Group commit: heartbeats that arrive while a commit runs are committed together by the next.

No timer: a heartbeat that finds nobody writing is written at once. What cannot be taken is
refused at once, and what was taken is answered after its commit, or with an error.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import asyncpg

from common.errors import Invalid, Unavailable, Violation
from common.jobs.beat import Beat, Fence, Stands
from common.postgres import FAULTS

Write = Callable[[Sequence[Beat]], Awaitable[Stands]]
Rest = Callable[[], Awaitable[None]]

LARGEST = 512
BOUND = 8_192


class Group:
    """The heartbeats that wait, and the one task that writes them. `rest` is called once nothing
    waits any more."""

    def __init__(
        self,
        write: Write,
        *,
        rest: Rest | None = None,
        largest: int = LARGEST,
        bound: int = BOUND,
    ) -> None:
        self._write = write
        self._rest = rest
        self._largest = largest
        self._bound = bound
        self._waiting: list[tuple[Beat, asyncio.Future[Fence | None]]] = []
        self._writer: asyncio.Task[None] | None = None

    def add(self, beat: Beat) -> asyncio.Future[Fence | None]:
        """How the job stands once the heartbeat is committed, which it is only where its attempt
        is that of the fence; None where there is no such job. Raises Unavailable at once when too
        many wait."""
        if len(self._waiting) >= self._bound:
            raise Unavailable("Too many heartbeats are waiting.", retry_after=1)
        future: asyncio.Future[Fence | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((beat, future))
        if self._writer is None:
            self._writer = asyncio.create_task(self._write_all())
        return future

    async def close(self) -> None:
        """Commits what was taken."""
        while self._writer is not None:
            await asyncio.wait([self._writer])

    async def _write_all(self) -> None:
        try:
            while self._waiting:
                batch = self._waiting[: self._largest]
                del self._waiting[: self._largest]
                await self._write_batch(batch)
                if self._rest is not None and not self._waiting:
                    await self._rest()
        finally:
            self._writer = None

    async def _write_batch(self, batch: list[tuple[Beat, asyncio.Future[Fence | None]]]) -> None:
        try:
            stands = await self._try_twice([beat for beat, _ in batch])
        except asyncpg.PostgresError as wrong:
            if len(batch) > 1 and _is_about_data(wrong):
                for one in batch:
                    await self._write_batch([one])
                return
            _fail(batch, _refused() if _is_about_data(wrong) else _away())
            return
        except Exception as wrong:  # noqa: BLE001 - whoever waits must hear of it
            _fail(batch, _away() if isinstance(wrong, FAULTS) else wrong)
            return
        for (_, future), stand in zip(batch, stands, strict=True):
            if not future.done():
                future.set_result(stand)

    async def _try_twice(self, beats: Sequence[Beat]) -> Stands:
        try:
            return await self._write(beats)
        except FAULTS as wrong:
            if _is_about_data(wrong):
                raise
        return await self._write(beats)


def _is_about_data(wrong: BaseException) -> bool:
    state = getattr(wrong, "sqlstate", None) or ""
    return state[:2] in {"22", "23"}


def _refused() -> Exception:
    return Invalid([Violation("", "holds a value that cannot be stored")])


def _away() -> Exception:
    return Unavailable("The database cannot be reached just now.", retry_after=1)


def _fail(batch: list[tuple[Beat, asyncio.Future[Fence | None]]], wrong: Exception) -> None:
    for _, future in batch:
        if not future.done():
            future.set_exception(wrong)
