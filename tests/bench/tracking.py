"""`python -m tests.bench.tracking`: whether a training feels that MLflow or the control plane dies.

A loop is a job of the local stack. In its middle MLflow is killed, or the control plane for a minute:
its functions by kill -9, the gateway stopped so that whoever calls hangs. What is compared are the
steps of one loop, those from the kill until all that waited is carried again to those before and
after: two loops, minutes apart, differ by more than the bound on a machine that others use too.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.bench import report
from tests.bench.report import Bound
from tests.functional.stack import Up
from tests.functional.user import User
from tests.postgres_server import CLONE

PROGRAM = CLONE / "tests/bench/training_steps.py"
RESULTS = Path(__file__).with_name("results")
BOUND = 1.03
PATIENCE = 600
# A loop's first seconds are those in which it is learnt that it runs.
BEGIN = 5.0


@dataclass(frozen=True)
class Plan:
    """How long a loop is left alone before and after, how long it is disturbed, and how long what
    waited meanwhile may take."""

    quiet: float
    disturbed: float
    recovery: float

    @property
    def seconds(self) -> float:
        return BEGIN + 2 * self.quiet + self.disturbed + self.recovery


Disturb = Callable[[Up, float], None]
Step = tuple[float, float]
MLFLOW, AWAY = Plan(25, 10, 20), Plan(40, 60, 20)
QUICK_MLFLOW, QUICK_AWAY = Plan(8, 5, 10), Plan(8, 8, 5)
LOOPS, QUICK_LOOPS = 5, 1


def rows(*, quick: bool) -> list[Bound]:
    """How much longer a step takes, by the median of the loops."""
    kinds: dict[str, tuple[Plan, Sequence[str], Disturb]] = {
        "MLflow": (QUICK_MLFLOW if quick else MLFLOW, ["--mlflow"], kill_mlflow),
        "control plane": (QUICK_AWAY if quick else AWAY, [], kill_control_plane),
    }
    found: list[Bound] = []
    for said, (plan, options, disturb) in kinds.items():
        text = f"step time, {said} killed for {plan.disturbed:g} s"
        ratios = [measure(plan, options, disturb) for _ in range(QUICK_LOOPS if quick else LOOPS)]
        name = said.lower().replace(" ", "-")
        report.write(RESULTS / f"tracking-{name}.json", {"ratios": ratios})
        note = "loops: " + ", ".join(f"{each:.4f}" for each in ratios)
        found.append(Bound(text, statistics.median(ratios), "times", BOUND, note=note))
    return found


def measure(plan: Plan, options: Sequence[str], disturb: Disturb) -> float:
    """The mean step while it is disturbed, to that of the same loop before and after: one that
    hangs counts in full. Fails unless each step was told."""
    with tempfile.TemporaryDirectory(prefix="eventrain-bench-") as folder:
        up = Up(Path(folder) / "home", options=options)
        up.start(seconds=300)
        try:
            return _train(up, plan, Path(folder) / "figures.json", disturb)
        finally:
            up.end()


def _train(up: Up, plan: Plan, figures: Path, disturb: Disturb) -> float:
    user = User.of_home(up.home)
    job_id = _submit(up, plan.seconds, figures)
    user.wait(job_id, lambda job: bool((job["reported"] or {}).get("step")), seconds=PATIENCE)
    time.sleep(plan.quiet)
    began = time.time()
    disturb(up, plan.disturbed)
    ended = time.time() + plan.recovery
    job = user.wait(job_id, seconds=PATIENCE)
    assert job["status"] == "succeeded", job
    steps = [(at, took) for at, took in json.loads(figures.read_text(encoding="utf-8"))]
    points = user.pages(f"/training/jobs/{job_id}/points", "points")
    told = {point["step"] for point in points if point["name"] == "loss"}
    user.close()
    assert told == set(range(len(steps))), f"{len(told)} of {len(steps)} steps were told"
    ratio = _disturbed_to_quiet(steps, began, ended)
    print(f"  {len(steps)} steps, all told; {ratio:.4f}", flush=True)
    return ratio


def _disturbed_to_quiet(steps: Sequence[Step], began: float, ended: float) -> float:
    """By windows of the same length on both sides, so that a drift of the machine counts on both."""
    first, last = steps[0][0] + BEGIN, steps[-1][0]
    side = min(began - first, last - ended)
    disturbed = [took for at, took in steps if began <= at < ended]
    before = [took for at, took in steps if began - side <= at < began]
    after = [took for at, took in steps if ended <= at < ended + side]
    quiet = (statistics.fmean(before) + statistics.fmean(after)) / 2
    return statistics.fmean(disturbed) / quiet


def _submit(up: Up, seconds: float, figures: Path) -> str:
    code = figures.with_name("code")
    code.mkdir()
    (code / "train.py").write_bytes(PROGRAM.read_bytes())
    said = subprocess.run(
        [
            *(sys.executable, "-m", "infra.cli", "submit", str(code)),
            *("--entrypoint", "train.py", "--json"),
            *("--env", f"SECONDS={seconds}", "--env", f"FIGURES={figures}"),
        ],
        cwd=CLONE,
        env={**os.environ, "EVENTRAIN_HOME": str(up.home)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stderr
    return json.loads(said.stdout)["id"]


def kill_mlflow(up: Up, seconds: float) -> None:
    """kill -9, each time that it comes again."""
    until = time.monotonic() + seconds
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
    parser.add_argument("--quick", action="store_true", help="a short loop of each")
    return report.tell(rows(quick=parser.parse_args(arguments).quick))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
