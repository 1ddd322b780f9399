"""Loopback ports, and the servers that live in this process."""

import asyncio
import contextlib
import errno
import socket
from collections.abc import Generator
from typing import Any

import uvicorn

from infra.local.problem import PortTaken

LOOPBACK = "127.0.0.1"


def bind(port: int = 0) -> socket.socket:
    """A listening socket on loopback; 0 takes any free port."""
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((LOOPBACK, port))
        bound.listen(1024)
    except OSError as problem:
        bound.close()
        if problem.errno in (errno.EADDRINUSE, errno.EACCES):
            reason = "is taken" if problem.errno == errno.EADDRINUSE else "is not allowed"
            raise PortTaken(f"Port {port} {reason}: choose another one with --port.") from problem
        raise
    return bound


def free_port() -> int:
    with bind() as probe:
        return int(probe.getsockname()[1])


def address_of(bound: socket.socket) -> str:
    host, port = bound.getsockname()[:2]
    return f"http://{host}:{port}"


class _QuietServer(uvicorn.Server):
    """Signals are the stack's business."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


class Server:
    """An ASGI app served on a bound socket until stopped."""

    def __init__(self, app: Any, bound: socket.socket) -> None:
        self.address = address_of(bound)
        self._socket = bound
        self._server = _QuietServer(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                lifespan="off",
                timeout_keep_alive=75,
                timeout_graceful_shutdown=2,
                server_header=False,
            )
        )
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self._server.serve(sockets=[self._socket]))
        while not self._server.started and not self._task.done():  # noqa: ASYNC110
            await asyncio.sleep(0.005)

    async def stop(self) -> None:
        self._server.should_exit = True
        if self._task is not None:
            await self._task
        self._socket.close()
