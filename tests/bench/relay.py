"""`python -m tests.bench.relay`: what a step pays for MLflow's log_metric in a job, while the control
plane answers and while it never does, beside a real MLflow server on this machine.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.bench import mlflow, report
from tests.bench.report import Bound
from tests.integration.trainer.control_plane import ControlPlane
from tests.postgres_server import CLONE

STEPS, QUICK_STEPS = 1_000, 100
PAIRS, QUICK_PAIRS = 5, 1
PROGRAM = CLONE / "tests/bench/relay_steps.py"
TRAINER = CLONE / ".venvs/trainer-sklearn/bin/python"
# Not from its own folder, which has a module of MLflow's name.
RUNNER = ("-m", "eventrain_trainer", "run", "--", str(TRAINER), "-P")
PATIENCE = 900


def rows(*, quick: bool) -> list[Bound]:
    """The median of pairs: a control plane that never answers against one that does."""
    steps, pairs = (QUICK_STEPS, QUICK_PAIRS) if quick else (STEPS, PAIRS)
    found = [
        (_through_the_relay(steps, "up"), _through_the_relay(steps, "silent")) for _ in range(pairs)
    ]
    ratio = statistics.median(silent["step_s"] / up["step_s"] for up, silent in found)
    call = statistics.median(up["call_s"] for up, _ in found)
    said: dict[str, Any] = {"pairs": found, "server": _at_a_server(steps)}
    report.write(Path(__file__).with_name("results") / "relay.json", said)
    note = f"{pairs} pairs; a call takes {call * 1e6:.0f} us"
    bounds = [Bound("step, control plane silent / answering", ratio, "", 1.03, note=note)]
    if server := said["server"]:
        beside = f"at a real server on this machine {server['call_s'] * 1e6:.0f} us"
        bounds.append(
            Bound("log_metric, relay / server", call / server["call_s"], "", 1, note=beside)
        )
    return bounds


def _through_the_relay(steps: int, mode: str) -> dict[str, float]:
    with ControlPlane(mode=mode) as plane:
        environ = plane.environ(DONE_WAIT_SECONDS="1", CALLBACK_TIMEOUT_SECONDS="10")
        return _measure(steps, [*RUNNER], environ)


def _at_a_server(steps: int) -> dict[str, float] | None:
    if mlflow.prepare() is not None:
        return None
    with tempfile.TemporaryDirectory(prefix="eventrain-bench-") as folder, _server(folder) as url:
        return _measure(steps, ["-P"], {"MLFLOW_TRACKING_URI": url})


def _measure(steps: int, command: Sequence[str], environ: Mapping[str, str]) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="eventrain-bench-") as folder:
        result = Path(folder) / "result.json"
        given = {"PATH": os.environ["PATH"], "HOME": folder, "WORK_DIR": folder, **environ}
        ran = subprocess.run(
            [str(TRAINER), *command, str(PROGRAM), str(steps), str(result)],
            env=given,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        if not result.exists():
            raise RuntimeError(f"the program ended with {ran.returncode}:\n{ran.stderr[-2000:]}")
        return json.loads(result.read_text(encoding="utf-8"))


@contextmanager
def _server(folder: str) -> Generator[str]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [str(mlflow.PYTHON), "-m", "mlflow", "server", "--port", str(port), "--workers", "1"]
    store = ["--backend-store-uri", f"sqlite:///{folder}/m.db", "--artifacts-destination", folder]
    environ = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    process = subprocess.Popen(
        [*command, *store], env=environ, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    try:
        _wait(f"http://127.0.0.1:{port}/health")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def _wait(url: str) -> None:
    deadline = time.monotonic() + 300
    while True:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def main(arguments: Sequence[str]) -> int:
    """0 when every bound was kept."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.relay", description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_STEPS} steps, one pair")
    return report.tell(rows(quick=parser.parse_args(arguments).quick))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
