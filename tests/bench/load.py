"""Offers heartbeats over keep-alive connections; a process of its own: plan in, result out, as JSON.

Every connection has jobs of its own and one request under way, so what was acknowledged is known
exactly. Requests are put together from prepared bytes and written to raw sockets: the generator
must not be what is measured.
"""

import itertools
import json
import re
import select
import socket
import sys
import time
from collections import Counter
from collections.abc import Iterator
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

    def __init__(self, address: tuple[str, int], targets: list[Target], offset: int) -> None:
        self.socket = socket.create_connection(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self._targets = itertools.cycle(targets)
        self._turns = itertools.count(offset)
        self._target = targets[0]
        self._old = False
        self._received = b""
        self.sent_at = 0.0

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
    from the measured time only."""

    def __init__(self, clients: list[Client]) -> None:
        self._poll = select.epoll()
        self._clients = clients
        self._by_file = {client.socket.fileno(): client for client in clients}
        self.acknowledged: set[tuple[int, int]] = set()
        self.statuses: Counter[str] = Counter()
        self.latencies: list[float] = []
        for file in self._by_file:
            self._poll.register(file, select.EPOLLIN)

    def start(self) -> None:
        for client in self._clients:
            client.send()

    def go_on(self, seconds: float) -> None:
        """Answers are followed by the next request for so long."""
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            for client in self._answered(1.0):
                client.send()

    def forget_figures(self) -> None:
        self.statuses.clear()
        self.latencies.clear()

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
        self.latencies.append(time.perf_counter() - client.sent_at)
        if client.spoke_for_an_old_attempt:
            self.statuses[f"old {status}"] += 1
            return
        self.statuses[f"{status}"] += 1
        if status == 200:
            self.acknowledged.add(client.said)


def run(plan: dict[str, Any]) -> dict[str, Any]:
    """Offers what the plan says; what was acknowledged goes to the file that it names."""
    targets = [
        Target(i, t["head"].encode(), t["old"] and t["old"].encode(), _parts(t["body"]))
        for i, t in enumerate(plan["targets"])
    ]
    count = plan["connections"]
    clients = [
        Client((plan["host"], plan["port"]), targets[i::count], 100 * i // count)
        for i in range(count)
    ]
    driven = Run(clients)
    driven.start()
    driven.go_on(plan["warm_up"])
    driven.forget_figures()
    server, postgres = Usage(plan["server_pid"]), Usage(plan["postgres_pid"])
    began, own = time.perf_counter(), time.process_time()
    driven.go_on(plan["seconds"])
    took, own = time.perf_counter() - began, time.process_time() - own
    used = {"server": server.seconds(), "postgres": postgres.seconds()}
    memory = server.memory()
    answered = len(driven.latencies)
    latencies = sorted(driven.latencies)
    driven.drain()
    told = "".join(f"{index} {sequence}\n" for index, sequence in driven.acknowledged)
    Path(plan["acknowledged"]).write_text(told, encoding="ascii")
    return {
        "answered": answered,
        "rate": answered / took,
        "server_cpu_us": used["server"] / answered * 1e6,
        "postgres_cpu_us": used["postgres"] / answered * 1e6,
        "load_cpu_us": own / answered * 1e6,
        "server_busy": used["server"] / took,
        "memory_mb": memory / 1e6,
        "p50_ms": latencies[answered // 2] * 1e3,
        "p99_ms": latencies[answered * 99 // 100] * 1e3,
        "statuses": dict(driven.statuses),
    }


def _parts(body: str) -> list[bytes]:
    return body.encode().split(b"@")


def _is_whole(data: bytes) -> bool:
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return False
    told = LENGTH.search(data, 0, end)
    return len(data) >= end + 4 + (int(told[1]) if told else 0)


if __name__ == "__main__":
    print(json.dumps(run(json.load(sys.stdin))))
