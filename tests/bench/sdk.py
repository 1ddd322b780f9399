"""`python -m tests.bench.sdk`: what a metric call costs the training when nothing else works.

The control plane accepts and never answers; the disk of the job is full. Measured with the session
in the training's own process, and behind the runner, as an image starts it.
"""

import argparse
import errno
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.bench import report
from tests.bench.report import Bound
from tests.postgres_server import CLONE

CALLS, QUICK_CALLS = 1_000_000, 100_000
PROGRAM = CLONE / "tests/bench/metric_calls.py"
KINDS = {"alone": (), "behind the runner": ("-m", "eventrain_trainer", "run", "--", sys.executable)}
PATIENCE = 900


def rows(*, quick: bool) -> list[Bound]:
    """The cost of a call, by its median and by its worst."""
    found: list[Bound] = []
    for kind, command in KINDS.items():
        said = measure(command, QUICK_CALLS if quick else CALLS)
        report.write(Path(__file__).with_name("results") / f"sdk-{kind.split()[0]}.json", said)
        call, nothing = said["call"], said["nothing"]
        own = call["worked_over_1_ms"] + call["waited_over_1_ms"]
        note = (
            f"p99.9 {call['p99_9_us']:.1f} us, max {call['max_us']:.0f} us; over 1 ms since the core "
            f"was taken away: {call['over_1_ms'] - own:.0f}, of a call of "
            f"nothing: {nothing['over_1_ms']:.0f}; disk full: {said['disk']}"
        )
        found += [
            Bound(f"metric call, {kind}, median", call["median_us"], "us", 10, note=note),
            Bound(f"metric calls over 1 ms, {kind}", own, "", 0, note=_split(call)),
        ]
    return found


def _split(call: dict[str, float]) -> str:
    return f"{call['worked_over_1_ms']} worked as long, {call['waited_over_1_ms']} only waited"


def measure(command: Sequence[str], calls: int) -> dict[str, Any]:
    """The figures of so many calls of a program that is started so."""
    with (
        tempfile.TemporaryDirectory(prefix="eventrain-bench-") as folder,
        _silent_server() as port,
        _full_disk(Path(folder) / "disk") as (disk, how),
    ):
        result = Path(folder) / "result.json"
        process = subprocess.Popen(
            [sys.executable, *command, str(PROGRAM), str(calls), str(result)],
            env=_environ(port, disk),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            _, wrong = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
        if not result.exists():
            raise RuntimeError(f"the program ended with {process.returncode}:\n{wrong[-2000:]}")
        return {**json.loads(result.read_text(encoding="utf-8")), "calls": calls, "disk": how}


def _environ(port: int, disk: Path) -> dict[str, str]:
    address = f"http://127.0.0.1:{port}"
    paths = ("HEARTBEAT", "EVENT", "DONE", "ADDRESSES")
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(CLONE / "trainer/src"),
        "JOB_ID": "0af76519-16cd-43dd-8448-eb211c80319c",
        "ATTEMPT": "1",
        "CALLBACK_TOKEN": "nobody reads it",
        "WORK_DIR": str(disk),
        "DONE_WAIT_SECONDS": "1",
        "TERMINATION_GRACE_SECONDS": "1",
        **{f"{path}_URL": f"{address}/{path.lower()}" for path in paths},
    }


@contextmanager
def _silent_server() -> Generator[int]:
    """Every connection is accepted, by the system, and nobody ever reads from it."""
    with socket.create_server(("127.0.0.1", 0), backlog=512) as server:
        yield server.getsockname()[1]


@contextmanager
def _full_disk(folder: Path) -> Generator[tuple[Path, str]]:
    """A small file system of its own, filled to the last byte, where one may be mounted."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        yield folder, "NO: none may be mounted here"
        return
    try:
        _fill(folder / "filler")
        yield folder, "a tmpfs without a free byte"
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _fill(file: Path) -> None:
    with file.open("wb", buffering=0) as filler, suppress(OSError):
        while True:
            filler.write(b"\0" * 4096)
    try:
        file.with_name("one more").write_bytes(b"x")
    except OSError as wrong:
        if wrong.errno == errno.ENOSPC:
            return
        raise
    raise RuntimeError("the disk is not full")


def main(arguments: Sequence[str]) -> int:
    """0 when every bound was kept."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.sdk", description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_CALLS:,} calls")
    return report.tell(rows(quick=parser.parse_args(arguments).quick))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
