"""A tap on the wire to Postgres, which can kill whoever is about to commit, or just has.

It understands as much of the protocol as that takes: the name that a client gives itself at its
start, the text of what it prepares, `COMMIT`, and single statements that write outside of a
transaction, which are commits too.
"""

import asyncio
import contextlib
import struct
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

Side = Literal["before", "after"]
ENCRYPTION = struct.pack("!i", 80877103)
WRITES = (b"insert into", b"update ", b"delete from")


@dataclass
class Trap:
    """Springs at the n-th commit of one client, before or after it."""

    client: str
    nth: int
    side: Side
    spring: Callable[[], None]
    seen: int = 0
    sprung: asyncio.Event = field(default_factory=asyncio.Event)

    def counts(self) -> bool:
        """One more commit; whether it is the one."""
        self.seen += 1
        return self.seen == self.nth


class Cut(Exception):
    """The trap sprang: nothing more goes over this connection."""


class Tap:
    """Listens on a free port in front of a Postgres."""

    def __init__(self, host: str, port: int) -> None:
        self._upstream = (host, port)
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()
        self.trap: Trap | None = None
        # What each client had executed, transactions' own commands among them.
        self.statements: Counter[str] = Counter()
        self.port = 0

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            up_reader, up_writer = await asyncio.open_connection(*self._upstream)
        except OSError:
            writer.close()
            return
        try:
            await _Wire(self, reader, writer, up_reader, up_writer).run()
        except* (Cut, ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            for end in (writer, up_writer):
                end.transport.abort()
                with contextlib.suppress(ConnectionError):
                    await end.wait_closed()


class _Wire:
    def __init__(
        self,
        tap: Tap,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        up_reader: asyncio.StreamReader,
        up_writer: asyncio.StreamWriter,
    ) -> None:
        self._tap = tap
        self._down = (reader, writer)
        self._up = (up_reader, up_writer)
        self._name = ""
        self._prepared: dict[bytes, bytes] = {}
        self._bound = b""
        self._in_transaction = False
        self._spring_after = False

    async def run(self) -> None:
        await self._start()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._forward())
            tasks.create_task(self._answer())

    async def _start(self) -> None:
        head, body = await _read_start(self._down[0])
        while body[:4] == ENCRYPTION:
            self._down[1].write(b"N")
            head, body = await _read_start(self._down[0])
        words = body[4:].split(b"\0")
        options = dict(zip(words[::2], words[1::2], strict=False))
        self._name = options.get(b"application_name", b"").decode()
        self._up[1].write(head + body)

    async def _forward(self) -> None:
        """From the client to Postgres."""
        while True:
            kind, message = await _read(self._down[0])
            self._tap.statements[self._name] += kind in (b"E", b"Q")
            if self._commits(kind, message) and self._is_trapped():
                self._spring("before")
                self._spring_after = True
            self._up[1].write(message)
            await self._up[1].drain()

    async def _answer(self) -> None:
        """From Postgres to the client; what follows a trapped commit is never told."""
        while True:
            kind, message = await _read(self._up[0])
            if kind == b"Z":
                self._in_transaction = message[5:6] != b"I"
                if self._spring_after:
                    self._spring("after")
            if self._spring_after:
                continue
            self._down[1].write(message)
            await self._down[1].drain()

    def _commits(self, kind: bytes, message: bytes) -> bool:
        body = message[5:]
        if kind == b"Q":
            return body.strip(b"\0; \n").upper() == b"COMMIT"
        if kind == b"P":
            name, _, text = body.partition(b"\0")
            self._prepared[name] = text.lower()
        if kind == b"B":
            self._bound = self._prepared.get(body.split(b"\0")[1], b"")
        writes = any(word in self._bound for word in WRITES)
        return kind == b"E" and writes and not self._in_transaction

    def _is_trapped(self) -> bool:
        trap = self._tap.trap
        return trap is not None and trap.client == self._name and trap.counts()

    def _spring(self, side: Side) -> None:
        trap = self._tap.trap
        if trap is not None and trap.side == side:
            self._tap.trap = None
            trap.spring()
            trap.sprung.set()
            raise Cut


async def _read_start(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readexactly(4)
    return head, await reader.readexactly(struct.unpack("!i", head)[0] - 4)


async def _read(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readexactly(5)
    (length,) = struct.unpack("!i", head[1:])
    return head[:1], head + await reader.readexactly(length - 4)
