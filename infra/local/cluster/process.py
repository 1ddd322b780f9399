"""One container's process, found again by its folder whoever started it."""

import asyncio
import contextlib
import fcntl
import json
import marshal
import os
import signal
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

_SHIM = Path(__file__).with_name("shim.py")
_START_STEPS = 4000
_START_STEP_SECONDS = 0.005
_POLL_SECONDS = 0.2
_KILLED = 128 + signal.SIGKILL


@dataclass(frozen=True)
class Launch:
    program: str
    argv: tuple[str, ...]
    env: dict[str, str]
    cwd: Path


@dataclass(frozen=True)
class Exit:
    code: int
    at: datetime
    reason: str
    message: str = ""


class Process:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "log"
        self._running = folder / "running.json"
        self._exit = folder / "exit.json"

    def claimed(self) -> bool:
        return self._running.exists()

    def alive(self) -> bool:
        """The shim holds a lock while it lives, so a pid that was used again cannot mislead."""
        try:
            file = os.open(self._running, os.O_RDONLY)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(file)
        return False

    @property
    def pid(self) -> int:
        return int(_read(self._running)["pid"])

    @property
    def started_at(self) -> datetime:
        return datetime.fromtimestamp(_read(self._running)["startedAt"], UTC)

    async def start(self, launch: Launch) -> None:
        """Raises OSError when the shim itself cannot be started."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._write_launch(launch)
        pid = _spawn_shim(self.folder)
        for _ in range(_START_STEPS):
            if self.claimed():
                return
            if _reap(pid):
                break
            await asyncio.sleep(_START_STEP_SECONDS)
        if not self.claimed():
            raise OSError(f"its shim did not begin: {self.tail()}")

    def signal(self, number: int) -> None:
        """SIGKILL to all of it; any other to its first process, as in a container. Nothing when it
        has ended."""
        if self.alive():
            send = os.killpg if number == signal.SIGKILL else os.kill
            with contextlib.suppress(ProcessLookupError):
                send(self.pid, number)

    async def wait(self) -> Exit:
        while self.alive():
            await _ended(self.pid)
        _reap(self.pid)
        return self.exit()

    def exit(self) -> Exit:
        """Of a process that is not alive; without a record it was killed together with its shim."""
        try:
            found = _read(self._exit)
        except FileNotFoundError:
            return Exit(_KILLED, datetime.now(UTC), "Error")
        code = int(found["exitCode"])
        reason = found.get("reason") or ("Error" if code else "Completed")
        at = datetime.fromtimestamp(found["finishedAt"], UTC)
        return Exit(code, at, reason, found.get("message", ""))

    def tail(self, size: int = 2000) -> str:
        if not self.log.exists():
            return ""
        return self.log.read_bytes()[-size:].decode(errors="replace")

    def _write_launch(self, launch: Launch) -> None:
        draft = self.folder / "launch.draft"
        draft.touch(mode=0o600)
        folders = {"cwd": str(launch.cwd), "folder": str(self.folder)}
        draft.write_bytes(marshal.dumps(vars(launch) | folders))
        draft.replace(self.folder / "launch")


def _spawn_shim(folder: Path) -> int:
    return os.posix_spawn(sys.executable, [sys.executable, "-I", "-S", str(_SHIM), str(folder)], {})


async def _ended(pid: int) -> None:
    """Returns when the process may have ended."""
    if sys.platform != "linux":
        await asyncio.sleep(_POLL_SECONDS)
        return
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(handle, over.set)
    try:
        await over.wait()
    finally:
        loop.remove_reader(handle)
        os.close(handle)


def _reap(pid: int) -> bool:
    """True when it was our child and has ended."""
    with contextlib.suppress(ChildProcessError):
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    return False


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())
