import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import httpx
import pytest

from common.settings import Storage
from common.storage.objects import Objects, open_objects


@pytest.fixture(scope="session")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storage]:
    """A real S3 server that keeps its files in a folder of the test's."""
    folder = tmp_path_factory.mktemp("s3")
    binary = Path(sys.executable).with_name("rclone")
    address = f"127.0.0.1:{free_port()}"
    server = subprocess.Popen(
        [binary, "serve", "s3", folder, "--addr", address, "--auth-key", "key,secret"],
        env={"PATH": os.environ["PATH"], "HOME": str(folder)},
        stderr=subprocess.DEVNULL,
    )
    try:
        await_port(address)
        yield Storage(
            f"http://{address}", f"http://{address}", "bucket", "us-east-1", "key", "secret"
        )
    finally:
        server.kill()
        server.wait()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
async def objects(storage: Storage) -> AsyncGenerator[Objects, None]:
    async with open_objects(storage) as opened:
        await opened.ensure_bucket()
        yield opened


@pytest.fixture
async def http() -> AsyncGenerator[httpx.AsyncClient, None]:
    async with httpx.AsyncClient() as client:
        yield client


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def await_port(address: str) -> None:
    host, _, port = address.partition(":")
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection((host, int(port))):
            return
        time.sleep(0.02)
    raise AssertionError("the S3 server did not start")
