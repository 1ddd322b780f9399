"""Offers heartbeats at a fixed rate, whoever answers: a process of its own, plan in, result out.

A heartbeat is sent when it is due, on a connection that waits for no answer or on a new one; its
latency counts from when it was due. So a server that stands still is not spared what comes
meanwhile.
"""

import asyncio
import json
import sys
import time
from collections import Counter, deque
from contextlib import suppress
from itertools import cycle
from pathlib import Path
from typing import Any

import uvloop

FIRST_SEQUENCE = 1_000_000
PATIENCE = 30.0
PACE = 0.002
UNANSWERED, UNSENT = "no answer", "not sent"


class Stream:
    """What was offered, and what became of it."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self._address = plan["host"], plan["port"]
        self._most = plan["connections"]
        self._jobs = cycle(list(enumerate(plan["targets"])))
        self._sequences = [FIRST_SEQUENCE] * len(plan["targets"])
        self._tasks: set[asyncio.Task[None]] = set()
        self._connections = 0
        self._waiting = 0
        self._answered = asyncio.Event()
        self.idle: deque[Connection] = deque()
        self.acknowledged: list[tuple[int, int]] = []
        self.statuses: Counter[str] = Counter()
        self.latencies: list[float] = []
        self.longest_pause = 0.0
        self._last = float("inf")

    async def offer(self, rate: float, seconds: float) -> None:
        """Sends what is due, until all has been sent and answered."""
        began = time.perf_counter()
        for number in range(int(rate * seconds)):
            due = began + number / rate
            if (early := due - time.perf_counter()) > 0:
                await asyncio.sleep(max(early, PACE))
            self._send(due)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._answered.wait(), PATIENCE)
        if self._waiting:
            self.statuses[UNANSWERED] += self._waiting

    def note(self, said: "Said", status: str) -> None:
        self._waiting -= 1
        if not self._waiting:
            self._answered.set()
        self.statuses[status] += 1
        if status == "200":
            self.acknowledged.append(said.beat)
            now = time.perf_counter()
            self.latencies.append(now - said.due)
            self.longest_pause = max(self.longest_pause, now - self._last)
            self._last = now

    def lost(self, connection: "Connection") -> None:
        self._connections -= 1
        if connection in self.idle:
            self.idle.remove(connection)

    def _send(self, due: float) -> None:
        said = self._next(due)
        self._waiting += 1
        self._answered.clear()
        if self.idle:
            self.idle.pop().say(said)
        elif self._connections >= self._most:
            self.note(said, UNSENT)
        else:
            self._connections += 1
            task = asyncio.create_task(self._connect(said))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _connect(self, said: "Said") -> None:
        loop = asyncio.get_running_loop()
        try:
            _, made = await loop.create_connection(lambda: Connection(self), *self._address)
        except OSError:
            self._connections -= 1
            self.note(said, UNANSWERED)
        else:
            made.say(said)

    def _next(self, due: float) -> "Said":
        index, target = next(self._jobs)
        self._sequences[index] += 1
        sequence = self._sequences[index]
        body = target["body"].replace("@", str(sequence))
        return Said((index, sequence), (target["head"] + body).encode(), due)


class Said:
    """One heartbeat on its way."""

    __slots__ = ("beat", "due", "request")

    def __init__(self, beat: tuple[int, int], request: bytes, due: float) -> None:
        self.beat = beat
        self.request = request
        self.due = due


class Connection(asyncio.Protocol):
    """One request at a time."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._said: Said | None = None
        self._received = b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def say(self, said: Said) -> None:
        self._said = said
        self._transport.write(said.request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        at = head.lower().find(b"content-length:")
        if not end or len(body) < int(head[at + 15 :].split(b"\r\n", 1)[0]) or self._said is None:
            return
        said, self._said, self._received = self._said, None, b""
        self._stream.note(said, head[9:12].decode())
        self._stream.idle.append(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._stream.lost(self)
        if self._said is not None:
            self._stream.note(self._said, UNANSWERED)


def run(plan: dict[str, Any]) -> dict[str, Any]:
    """Offers what the plan says; what was acknowledged goes to the file that it names."""
    stream = Stream(plan)
    uvloop.run(stream.offer(plan["rate"], plan["seconds"]))
    told = "".join(f"{index} {sequence}\n" for index, sequence in stream.acknowledged)
    Path(plan["acknowledged"]).write_text(told, encoding="ascii")
    latencies = sorted(stream.latencies) or [0.0]
    return {
        "statuses": dict(stream.statuses),
        "p50_ms": latencies[len(latencies) // 2] * 1e3,
        "p99_ms": latencies[len(latencies) * 99 // 100] * 1e3,
        "max_ms": latencies[-1] * 1e3,
        "longest_pause_s": stream.longest_pause,
    }


if __name__ == "__main__":
    print(json.dumps(run(json.load(sys.stdin))))
