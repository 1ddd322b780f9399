"""The servers that are compared: how each is started, alone on one core."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO

from tests.keys import ring_json
from tests.postgres_server import CLONE
from tests.processes import free_port

PATIENCE = 60.0


@dataclass(frozen=True)
class Contender:
    """A server's name, the module that serves it, and whether it writes heartbeats."""

    name: str
    module: str
    environ: Mapping[str, str] = field(default_factory=dict)
    python: str = sys.executable
    stores: bool = True


OURS = Contender(
    "eventrain heartbeat",
    "common.serve",
    {
        "FUNCTION_TARGET": "heartbeat",
        "BIND_ADDRESS": "127.0.0.1",
        "BROKER_URL": "http://127.0.0.1:9",
        "JOB_TOKEN_KEYS": ring_json(),
    },
)
BARE = Contender("bare uvicorn, a constant", "tests.bench.baselines.bare_uvicorn", stores=False)
ONE_STATEMENT = Contender("one statement a request", "tests.bench.baselines.one_statement")
FRAMEWORK = Contender("FastAPI + SQLModel + PyJWT", "tests.bench.baselines.fastapi_sqlmodel")


@dataclass(frozen=True)
class Served:
    pid: int
    port: int


@contextmanager
def serving(contender: Contender, database_url: str, core: set[int]) -> Iterator[Served]:
    """The contender's process, once it accepts connections. What it logs is shown only when it
    does not come up."""
    port = free_port()
    own = {"PATH": os.environ["PATH"], "PORT": str(port), "DATABASE_URL": database_url}
    with tempfile.TemporaryFile() as log:
        with pinned(core):
            process = subprocess.Popen(
                [contender.python, "-m", contender.module],
                cwd=CLONE,
                env={**own, "LOG_LEVEL": "WARNING", **contender.environ},
                stdout=log,
                stderr=log,
            )
        try:
            wait_until_accepting(process, port, log)
            yield Served(process.pid, port)
        finally:
            stop(process)


@contextmanager
def pinned(core: set[int]) -> Iterator[None]:
    """What is started in here runs on this core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, core)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def wait_until_accepting(process: subprocess.Popen[bytes], port: int, log: IO[bytes]) -> None:
    """Raises RuntimeError, with what it logged last, when the process ends first."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if process.poll() is not None:
            log.seek(0)
            said = log.read()[-2000:].decode(errors="replace")
            raise RuntimeError(f"the server ended with {process.returncode}:\n{said}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise RuntimeError(f"the server did not listen within {PATIENCE:.0f} s")


def stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
