"""Which processes this home started, written down so that the next start can end them.

On Linux the kernel ends them with their parent; elsewhere, and where that failed, this does. A
process is named by pid and start time, so that a pid in use by somebody else is left alone.
"""

import asyncio
import contextlib
import json
import os
import signal
from pathlib import Path
from typing import cast

from infra.local import process
from infra.local.home import write_private


class Roster:
    def __init__(self, file: Path) -> None:
        self._file = file
        self._members: dict[str, str] = {}

    def add(self, pid: int) -> None:
        since = process.started_at(pid)
        if since is not None:
            self._members[str(pid)] = since
            self._write()

    def remove(self, pid: int) -> None:
        if self._members.pop(str(pid), None) is not None:
            self._write()

    async def end_leftovers(self, *, grace: float = 5.0) -> int:
        """End what a former run left behind; answers how many there were."""
        left = {pid for pid, since in self._read().items() if process.started_at(pid) == since}
        for number, patience in ((signal.SIGTERM, grace), (signal.SIGKILL, grace)):
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            if await _gone(left, patience):
                break
        self._members = {}
        self._write()
        return len(left)

    def _read(self) -> dict[int, str]:
        try:
            content = cast(dict[str, str], json.loads(self._file.read_text()))
        except (OSError, ValueError):
            return {}
        return {int(pid): since for pid, since in content.items()}

    def _write(self) -> None:
        """As well as it can: a full disk must not keep anything from starting or stopping."""
        with contextlib.suppress(OSError):
            write_private(self._file, json.dumps(self._members), durable=False)


async def _gone(pids: set[int], patience: float) -> bool:
    deadline = asyncio.get_running_loop().time() + patience
    while any(process.started_at(pid) for pid in pids):
        if asyncio.get_running_loop().time() > deadline:
            return False
        await asyncio.sleep(0.05)
    return True
