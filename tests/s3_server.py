"""A real S3 server for a test run: plain files in a folder, signatures verified."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from common.settings import Storage

BUCKET = "eventrain"


@contextmanager
def serve(folder: Path) -> Iterator[Storage]:
    """Runs until the block ends; the bucket is made."""
    (folder / BUCKET).mkdir()
    address = f"127.0.0.1:{_free_port()}"
    server = subprocess.Popen(
        [
            *(Path(sys.executable).with_name("rclone"), "serve", "s3", folder),
            *("--addr", address, "--auth-key", "key,secret"),
        ],
        env={"PATH": os.environ["PATH"], "HOME": str(folder)},
        stderr=subprocess.DEVNULL,
    )
    try:
        _await_port(address)
        url = f"http://{address}"
        yield Storage(url, url, BUCKET, "us-east-1", "key", "secret")
    finally:
        server.kill()
        server.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _await_port(address: str) -> None:
    host, _, port = address.partition(":")
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection((host, int(port))):
            return
        time.sleep(0.02)
    raise AssertionError("the S3 server did not start")
