"""`python -m tests.bench`: every measure that is promised, one after the other.

Each is a module that can be run alone, starts its own parts, and leaves its figures in `results/`.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence

from tests.bench import report
from tests.postgres_server import CLONE

BENCHES = (
    "contest",
    "steady",
    "sdk",
    "relay",
    "idle",
    "cold",
    "lists",
    "check",
    "submit",
    "tick",
    "watchers",
    "points",
    "tracking",
)
VERDICTS = ("reached", "MISSED")


def main(arguments: Sequence[str]) -> int:
    """0 when every bound of every bench was kept."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a look at each, no verdict")
    parser.add_argument("benches", nargs="*", help=f"of {', '.join(BENCHES)}")
    chosen = parser.parse_args(arguments)
    failed: list[str] = []
    verdicts: list[str] = []
    for name in chosen.benches or BENCHES:
        began = time.monotonic()
        print(f"\n== {name}", flush=True)
        code, said = _run(name, ["--quick"] if chosen.quick else [])
        print(f"== {name}: {time.monotonic() - began:.0f} s", flush=True)
        verdicts += said
        if code:
            failed.append(name)
    print("\n".join([f"\n{report.machine()}", *verdicts]))
    if failed:
        print(f"not all was reached: {', '.join(failed)}")
    return 1 if failed else 0


def _run(name: str, arguments: Sequence[str]) -> tuple[int, list[str]]:
    """Its exit code, and the lines in which it judged."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", f"tests.bench.{name}", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        cwd=CLONE,
    )
    verdicts: list[str] = []
    assert process.stdout is not None
    for line in process.stdout:
        print(line, end="", flush=True)
        if line.rstrip().endswith(VERDICTS):
            verdicts.append(line.rstrip())
    return process.wait(), verdicts


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
