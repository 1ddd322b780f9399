"""A PgBouncer that hands out its few connections by transaction."""

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from tests.processes import free_port

PROGRAM = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin")


@contextlib.contextmanager
def pooling(database_url: str, *, connections: int = 3) -> Iterator[str]:
    """The database's address behind it."""
    url = urlsplit(database_url)
    port = free_port()
    name = url.path.lstrip("/")
    where = f"host={url.hostname} port={url.port} user={url.username} password={url.password}"
    settings = (
        f"[databases]\n{name} = {where} dbname={name}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
        f"auth_type = any\npool_mode = transaction\ndefault_pool_size = {connections}\n"
        "server_round_robin = 1\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        process = _start(Path(folder), settings)
        try:
            _await_port(port)
            yield f"postgresql://anyone@127.0.0.1:{port}/{name}"
        finally:
            process.kill()
            process.wait()


def _start(folder: Path, settings: str) -> subprocess.Popen[bytes]:
    """It refuses to run as root."""
    file = folder / "pgbouncer.ini"
    file.write_text(settings)
    user = pwd.getpwnam("nobody").pw_uid if os.geteuid() == 0 else None
    if user is not None:
        folder.chmod(0o755)
    return subprocess.Popen(
        [str(PROGRAM), str(file)], user=user, cwd="/", stderr=subprocess.DEVNULL
    )


def _await_port(port: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.02)
    raise AssertionError("the pooler did not start")
