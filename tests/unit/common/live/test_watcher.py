import asyncio

import pytest

from common.live.message import Message
from common.live.watcher import MOST_BYTES, MOST_MESSAGES, Watcher


def soon() -> float:
    return asyncio.get_running_loop().time() + 60


class TestAWatcher:
    async def test_is_given_messages_in_order(self) -> None:
        watcher = Watcher()
        for number in range(3):
            watcher.offer(Message("change", b"", change=number))
        given = [await watcher.next(soon()) for _ in range(3)]
        assert [message and message.change for message in given] == [0, 1, 2]

    async def test_waits_for_one(self) -> None:
        watcher = Watcher()
        waiting = asyncio.create_task(watcher.next(soon()))
        await asyncio.sleep(0)
        watcher.offer(Message("job", b"{}"))
        assert await waiting == Message("job", b"{}")

    async def test_waits_no_longer_than_it_is_told(self) -> None:
        with pytest.raises(TimeoutError):
            await Watcher().next(asyncio.get_running_loop().time())

    @pytest.mark.parametrize("size", [0, 1 << 12])
    async def test_is_ended_before_it_fills_the_memory(self, size: int) -> None:
        watcher = Watcher()
        room = min(MOST_MESSAGES, MOST_BYTES // size if size else MOST_MESSAGES)
        for _ in range(room):
            watcher.offer(Message("job", b"x" * size))
        assert not watcher.ended
        watcher.offer(Message("job", b"x" * size))
        assert watcher.ended
        assert await watcher.next(soon()) is None

    async def test_takes_one_message_however_large(self) -> None:
        watcher = Watcher()
        watcher.offer(Message("points", b"x" * (MOST_BYTES + 1)))
        assert await watcher.next(soon()) is not None
        assert not watcher.ended

    async def test_hears_of_its_end_while_it_waits(self) -> None:
        watcher = Watcher()
        waiting = asyncio.create_task(watcher.next(soon()))
        await asyncio.sleep(0)
        watcher.end()
        assert await waiting is None
