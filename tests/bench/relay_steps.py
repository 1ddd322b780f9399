# pyright: reportMissingImports=false
"""A training program that logs a metric a step: `python relay_steps.py STEPS FILE`.

Says the median time of a step, without and with its call, and of the call alone.
"""

import json
import statistics
import sys
import time
from pathlib import Path

import mlflow

WORK = 60_000


def step() -> int:
    return sum(number * number for number in range(WORK))


def main(steps: int, result: Path) -> None:
    whole: list[float] = []
    calls: list[float] = []
    with mlflow.start_run():
        mlflow.log_metric("loss", 1.0, step=0)
        for number in range(steps):
            began = time.perf_counter()
            step()
            worked = time.perf_counter()
            mlflow.log_metric("loss", 1 / (number + 1), step=number)
            ended = time.perf_counter()
            whole.append(ended - began)
            calls.append(ended - worked)
    said = {"step_s": statistics.median(whole), "call_s": statistics.median(calls)}
    result.write_text(json.dumps(said), encoding="utf-8")


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
