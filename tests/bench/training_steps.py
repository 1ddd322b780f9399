"""A training loop whose steps are timed: `python training_steps.py`, in a job of its own.

STEPS says how many there are, FIGURES where their times are written. A step is arithmetic that takes
some milliseconds; each is told, as a loop that logs everything would."""

import json
import os
import random
import time
from pathlib import Path

import eventrain_trainer as et

SIZE = 48


def work(a: list[list[float]], b: list[list[float]]) -> float:
    columns = list(zip(*b, strict=True))
    return sum(
        sum(x * y for x, y in zip(row, column, strict=True)) for row in a for column in columns
    )


def main() -> None:
    steps = int(os.environ["STEPS"])
    rng = random.Random(1)
    a, b = ([[rng.random() for _ in range(SIZE)] for _ in range(SIZE)] for _ in range(2))
    run = et.start()
    took: list[float] = []
    for step in range(steps):
        began = time.perf_counter()
        loss = work(a, b) / (step + 1)
        run.log(step=step, total_steps=steps, loss=loss)
        took.append(time.perf_counter() - began)
    Path(os.environ["FIGURES"]).write_text(json.dumps(took), encoding="utf-8")
    run.finish()


if __name__ == "__main__":
    main()
