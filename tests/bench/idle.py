"""`python -m tests.bench.idle`: the memory of the local stack when nobody asks for anything.

Counted is each process's proportional share (PSS), so that a page which several hold is counted
once. It is started as `eventrain up` is, without MLflow, answers one request to each of a few
functions, and is then left alone until they have gone to sleep.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil

from tests.bench import report
from tests.bench.contender import stop
from tests.bench.report import Bound
from tests.postgres_server import CLONE
from tests.processes import free_port

RESULTS = Path(__file__).with_name("results") / "idle.json"
PATHS = ("/llm-ops/v1/training/jobs", "/llm-ops/v1/training/gpu-types")
PATIENCE = 180.0
BOUND_MB = 300
# Nothing but the clock's tick wakes anything after that.
SETTLED_FOR, QUICK_SETTLED_FOR = 60.0, 20.0


def rows(*, quick: bool) -> list[Bound]:
    """What the stack holds, by process."""
    with (
        tempfile.TemporaryDirectory(prefix="eventrain-bench-") as home,
        _running(Path(home)) as process,
    ):
        shares = _settle(process.pid, QUICK_SETTLED_FOR if quick else SETTLED_FOR)
    report.write(RESULTS, shares)
    note = ", ".join(f"{name} {mb:.0f}" for name, mb in sorted(shares.items(), key=_greatest))
    return [Bound("the local stack, idle", sum(shares.values()), "MB", BOUND_MB, note=note)]


@contextmanager
def _running(home: Path) -> Generator[subprocess.Popen[bytes]]:
    port = free_port()
    environ = {"PATH": os.environ["PATH"], "HOME": str(home), "EVENTRAIN_HOME": str(home / "stack")}
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "infra.cli", "up", "--port", str(port)],
            cwd=CLONE,
            env=environ,
            stdout=log,
            stderr=log,
        )
        try:
            _wake(f"http://127.0.0.1:{port}", process, home / "log")
            yield process
        finally:
            stop(process)


def _wake(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Each answers, if only that it wants a token."""
    deadline = time.monotonic() + PATIENCE
    waiting = list(PATHS)
    while waiting:
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the stack did not come up:\n{log.read_text()[-2000:]}")
        try:
            answer = httpx.get(address + waiting[0], timeout=60)
        except httpx.TransportError:
            time.sleep(0.2)
            continue
        if answer.status_code < 500:
            waiting.pop(0)


def _settle(pid: int, seconds: float) -> dict[str, float]:
    """Megabytes by name, once the processes have stayed the same for so long."""
    known, since = _processes(pid), time.monotonic()
    deadline = since + PATIENCE + seconds
    while time.monotonic() - since < seconds and time.monotonic() < deadline:
        time.sleep(0.5)
        present = _processes(pid)
        if present - known:
            since = time.monotonic()
        known = present
    shares: dict[str, float] = defaultdict(float)
    for process in known:
        try:
            shares[_name(process)] += process.memory_full_info().pss / 1e6
        except psutil.NoSuchProcess:
            continue
    return dict(shares)


def _processes(pid: int) -> set[psutil.Process]:
    root = psutil.Process(pid)
    return {root, *root.children(recursive=True)}


def _name(process: psutil.Process) -> str:
    target = process.environ().get("FUNCTION_TARGET")
    if target:
        return target
    line = process.cmdline()
    return "stack" if "infra.cli" in line else Path(line[0].split(":")[0]).name


def _greatest(share: tuple[str, float]) -> float:
    return -share[1]


def main(arguments: Sequence[str]) -> int:
    """0 when the bound was kept."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.idle", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="look after a shorter rest")
    return report.tell(rows(quick=parser.parse_args(arguments).quick))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
