"""Functions as real processes."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import httpx

from tests.postgres_server import CLONE


def free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return bound.getsockname()[1]


@contextlib.contextmanager
def running_function(name: str, environ: Mapping[str, str]) -> Iterator[str]:
    """The address of a function served as in production."""
    with started_function(name, environ) as served:
        yield served.address


@dataclass(frozen=True)
class Served:
    """A function's process and where it answers."""

    process: subprocess.Popen[bytes]
    address: str


@contextlib.contextmanager
def started_function(
    name: str, environ: Mapping[str, str], *, port: int | None = None
) -> Iterator[Served]:
    """The same for a test that has something to do to the process, or must know its port."""
    port = port or free_port()
    own = {"FUNCTION_TARGET": name, "PORT": str(port), "BIND_ADDRESS": "127.0.0.1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "common.serve"],
        cwd=CLONE,
        env={"PATH": os.environ["PATH"], **environ, **own},
    )
    address = f"http://127.0.0.1:{port}"
    try:
        wait_until_ready(f"{address}/readyz", process)
        yield Served(process, address)
    finally:
        process.terminate()
        process.wait(15)


def wait_until_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while True:
        assert process.poll() is None, f"it ended with {process.returncode}"
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(url).status_code == 200:
                return
        assert time.monotonic() < deadline
        time.sleep(0.05)
