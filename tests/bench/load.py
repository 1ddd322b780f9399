"""Offers heartbeats over keep-alive connections, a turn at a time: between turns nothing is under way,
so that others can have theirs.

A process of its own. In: the plan as JSON, then a line for each turn with its seconds, the first of
which only warms up. Out: a line after each turn, at the end the figures as JSON. Every connection
has jobs of its own and one request under way, so what was acknowledged is known exactly. Requests
are put together from prepared bytes and written to raw sockets: the generator must not be what is
measured.
"""

import itertools
import json
import re
import select
import socket
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.usage import Usage

FIRST_SEQUENCE = 1_000_000
REPEATED, OLD = 37, 73
PATIENCE = 30.0
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@dataclass(slots=True)
class Target:
    """Where one job's heartbeats go: what comes before the body, with a valid token and with one
    of an older attempt, and the body between whose parts the sequence stands."""

    index: int
    head: bytes
    old_head: bytes | None
    parts: list[bytes]
    sequence: int = FIRST_SEQUENCE

    def request(self, head: bytes) -> bytes:
        return head + (b"%d" % self.sequence).join(self.parts)


class Client:
    """One connection, which goes round its jobs."""

    socket: socket.socket

    def __init__(self, address: tuple[str, int], targets: list[Target], offset: int) -> None:
        self._address = address
        self._targets = itertools.cycle(targets)
        self._turns = itertools.count(offset)
        self._target = targets[0]
        self._old = False
        self._received = b""
        self.sent_at = 0.0

    def connect(self) -> None:
        self.socket = socket.create_connection(self._address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)

    def send(self) -> None:
        """One request in a hundred repeats the one before, one speaks for an older attempt."""
        kind = next(self._turns) % 100
        if kind != REPEATED:
            self._target = next(self._targets)
            self._target.sequence += 1
        target = self._target
        self._old = kind == OLD and target.old_head is not None
        request = target.request(target.old_head if self._old else target.head)
        self.sent_at = time.perf_counter()
        self.socket.sendall(request)

    def receive(self) -> int | None:
        """The status once the whole answer is here. Raises ConnectionError."""
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError("the server closed the connection")
        if self._received:
            data = self._received + data
        if not _is_whole(data):
            self._received = data
            return None
        self._received = b""
        return int(data[9:12])

    @property
    def said(self) -> tuple[int, int]:
        return self._target.index, self._target.sequence

    @property
    def spoke_for_an_old_attempt(self) -> bool:
        return self._old


class Run:
    """Drives all connections; keeps what was acknowledged from the first request on, and figures
    from measured time only."""

    def __init__(self, clients: list[Client]) -> None:
        self._poll = select.epoll()
        self._clients = clients
        self._by_file: dict[int, Client] = {}
        self._measured = False
        self.acknowledged: set[tuple[int, int]] = set()
        self.statuses: Counter[str] = Counter()
        self.latencies: list[float] = []

    @contextmanager
    def connected(self) -> Iterator[None]:
        """No connection waits for the next turn: servers close those on which nothing is said."""
        for client in self._clients:
            client.connect()
            self._by_file[client.socket.fileno()] = client
            self._poll.register(client.socket, select.EPOLLIN)
        yield
        self._by_file.clear()
        for client in self._clients:
            self._poll.unregister(client.socket)
            client.socket.close()

    def start(self) -> None:
        """Returns once each connection has had an answer: as many are under way then, and as far, as
        when the measured time ends."""
        for client in self._clients:
            client.send()
        waiting = set(self._clients)
        while waiting:
            for client in self._answered(1.0):
                waiting.discard(client)
                client.send()

    def go_on(self, seconds: float, *, measured: bool) -> None:
        """Answers are followed by the next request for so long."""
        self._measured = measured
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            for client in self._answered(1.0):
                client.send()
        self._measured = False

    def drain(self) -> None:
        """Waits for what is under way, so that nothing is stored that was not acknowledged."""
        waiting = len(self._clients)
        end = time.perf_counter() + PATIENCE
        while waiting and time.perf_counter() < end:
            waiting -= sum(1 for _ in self._answered(1.0))
        if waiting:
            raise TimeoutError(f"{waiting} requests were not answered within {PATIENCE:.0f} s")

    def _answered(self, timeout: float) -> Iterator[Client]:
        for file, _ in self._poll.poll(timeout):
            client = self._by_file[file]
            status = client.receive()
            if status is not None:
                self._note(client, status)
                yield client

    def _note(self, client: Client, status: int) -> None:
        old = client.spoke_for_an_old_attempt
        if status == 200 and not old:
            self.acknowledged.add(client.said)
        if self._measured:
            self.latencies.append(time.perf_counter() - client.sent_at)
            self.statuses[f"old {status}" if old else f"{status}"] += 1


class Spent:
    """Time, and the CPU that each had of it, summed over turns."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self._pids = {"server": plan["server_pid"], "postgres": plan["postgres_pid"]}
        self._cpu: Counter[str] = Counter()
        self._took = 0.0
        self._memory = 0

    @contextmanager
    def counting(self) -> Iterator[None]:
        usages = {name: Usage(pid) for name, pid in self._pids.items()}
        began, own = time.perf_counter(), time.process_time()
        yield
        self._took += time.perf_counter() - began
        self._cpu["load"] += time.process_time() - own
        self._cpu.update({name: usage.seconds() for name, usage in usages.items()})
        self._memory = usages["server"].memory()

    def figures(self, latencies: list[float]) -> dict[str, Any]:
        answered, ordered = len(latencies), sorted(latencies)
        each = {f"{name}_cpu_us": cpu / answered * 1e6 for name, cpu in self._cpu.items()}
        return {
            "answered": answered,
            "rate": answered / self._took,
            **each,
            "server_busy": self._cpu["server"] / self._took,
            "memory_mb": self._memory / 1e6,
            "p50_ms": ordered[answered // 2] * 1e3,
            "p99_ms": ordered[answered * 99 // 100] * 1e3,
        }


def run(plan: dict[str, Any], turns: Iterable[str]) -> dict[str, Any]:
    """Offers what the plan says for as long as each turn; what was acknowledged goes to the file
    that it names."""
    targets = [
        Target(i, t["head"].encode(), t["old"] and t["old"].encode(), _parts(t["body"]))
        for i, t in enumerate(plan["targets"])
    ]
    count = plan["connections"]
    clients = [
        Client((plan["host"], plan["port"]), targets[i::count], 100 * i // count)
        for i in range(count)
    ]
    driven, spent = Run(clients), Spent(plan)
    for number, seconds in enumerate(turns):
        with driven.connected():
            driven.start()
            with spent.counting() if number else nullcontext():
                driven.go_on(float(seconds), measured=number > 0)
            driven.drain()
        print(number, flush=True)
    told = "".join(f"{index} {sequence}\n" for index, sequence in driven.acknowledged)
    Path(plan["acknowledged"]).write_text(told, encoding="ascii")
    return {**spent.figures(driven.latencies), "statuses": dict(driven.statuses)}


def _parts(body: str) -> list[bytes]:
    return body.encode().split(b"@")


def _is_whole(data: bytes) -> bool:
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return False
    told = LENGTH.search(data, 0, end)
    return len(data) >= end + 4 + (int(told[1]) if told else 0)


if __name__ == "__main__":
    print(json.dumps(run(json.loads(sys.stdin.readline()), iter(sys.stdin.readline, ""))))
