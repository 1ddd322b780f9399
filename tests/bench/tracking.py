"""`python -m tests.bench.tracking`: whether a training feels that MLflow or the control plane dies.

The same loop is a job of the local stack: undisturbed, then with MLflow killed in its middle, or with
the control plane killed for a minute: its functions by kill -9, the gateway stopped so that whoever
calls hangs. Pairs alternate, each on a stack that was started for it, with MLflow's server on both
sides or on none.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from tests.bench import report
from tests.bench.report import Bound
from tests.functional.stack import Up
from tests.functional.user import User
from tests.postgres_server import CLONE

PROGRAM = CLONE / "tests/bench/training_steps.py"
# Of some milliseconds each: a loop goes on well after what disturbs it is over.
STEPS, LONGER, QUICK_STEPS = 5_000, 12_000, 1_500
AWAY, QUICK_AWAY = 60.0, 8.0
PAIRS, QUICK_PAIRS = 5, 1
BOUND = 1.03
PATIENCE = 1800

Disturb = Callable[[Up], None]


def rows(*, quick: bool) -> list[Bound]:
    """How much longer a step takes, by the median of the pairs."""
    away, pairs = (QUICK_AWAY, QUICK_PAIRS) if quick else (AWAY, PAIRS)
    kinds: dict[str, tuple[int, Sequence[str], Disturb]] = {
        "MLflow killed in the middle": (STEPS, ["--mlflow"], kill_mlflow),
        f"the control plane killed for {away:g} s": (
            LONGER,
            [],
            lambda up: kill_control_plane(up, away),
        ),
    }
    found: list[Bound] = []
    for said, (steps, options, disturb) in kinds.items():
        count = QUICK_STEPS if quick else steps
        ratios = [_pair(count, options, disturb, first=n % 2 == 0) for n in range(pairs)]
        name = said.split()[0].lower()
        report.write(
            Path(__file__).with_name("results") / f"tracking-{name}.json", {"ratios": ratios}
        )
        note = "pairs: " + ", ".join(f"{each:.4f}" for each in ratios)
        middle = statistics.median(ratios)
        found.append(Bound(f"step time, {said}", middle, "times", BOUND, note=note))
    return found


def _pair(steps: int, options: Sequence[str], disturb: Disturb, *, first: bool) -> float:
    """The mean step of the disturbed loop, to that of the other."""
    if first:
        disturbed = measure(steps, options, disturb)
        return disturbed / measure(steps, options, None)
    quiet = measure(steps, options, None)
    return measure(steps, options, disturb) / quiet


def measure(steps: int, options: Sequence[str], disturb: Disturb | None) -> float:
    """Seconds of a step, by the mean of all: one that hangs counts in full."""
    with tempfile.TemporaryDirectory(prefix="eventrain-bench-") as folder:
        up = Up(Path(folder) / "home", options=options)
        up.start(seconds=300)
        try:
            return _train(up, steps, Path(folder) / "figures.json", disturb)
        finally:
            up.end()


def _train(up: Up, steps: int, figures: Path, disturb: Disturb | None) -> float:
    user = User.of_home(up.home)
    job_id = _submit(up, steps, figures)
    user.wait(job_id, lambda job: bool((job["reported"] or {}).get("step")), seconds=PATIENCE)
    disturbing = threading.Thread(target=disturb, args=(up,)) if disturb else None
    if disturbing:
        disturbing.start()
    deadline = time.monotonic() + PATIENCE
    while not figures.exists():
        assert time.monotonic() < deadline, "the loop did not end"
        time.sleep(0.5)
    if disturbing:
        disturbing.join()
    job = user.wait(job_id, seconds=PATIENCE)
    assert job["status"] == "succeeded", job
    points = user.pages(f"/training/jobs/{job_id}/points", "points")
    told = len({point["step"] for point in points if point["name"] == "loss"})
    user.close()
    print(f"  {told} of {steps} steps told", flush=True)
    return statistics.fmean(json.loads(figures.read_text(encoding="utf-8")))


def _submit(up: Up, steps: int, figures: Path) -> str:
    code = figures.with_name("code")
    code.mkdir()
    (code / "train.py").write_bytes(PROGRAM.read_bytes())
    said = subprocess.run(
        [
            *(sys.executable, "-m", "infra.cli", "submit", str(code)),
            *("--entrypoint", "train.py", "--json"),
            *("--env", f"STEPS={steps}", "--env", f"FIGURES={figures}"),
        ],
        cwd=CLONE,
        env={**os.environ, "EVENTRAIN_HOME": str(up.home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stderr
    return json.loads(said.stdout)["id"]


def kill_mlflow(up: Up) -> None:
    """kill -9, each time that it comes again, for as long as a restart takes."""
    until = time.monotonic() + 10
    while time.monotonic() < until:
        for child in psutil.Process(up.pid).children():
            with suppress(psutil.NoSuchProcess):
                if "mlflow.server.fastapi_app:app" in child.cmdline():
                    child.kill()
        time.sleep(0.5)


def kill_control_plane(up: Up, seconds: float) -> None:
    """Its functions die, and whoever calls is not answered."""
    stack = psutil.Process(up.pid)
    stack.suspend()
    try:
        for child in stack.children():
            with suppress(psutil.NoSuchProcess):
                if child.environ().get("FUNCTION_TARGET"):
                    child.kill()
        time.sleep(seconds)
    finally:
        stack.resume()


def main(arguments: Sequence[str]) -> int:
    """0 when every bound was kept."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.tracking", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a short loop, one pair of each")
    return report.tell(rows(quick=parser.parse_args(arguments).quick))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
