"""A training loop whose steps are timed: `python training_steps.py`, in a job of its own.

It goes on for SECONDS; FIGURES is where the end of each step, by the clock, and its time are written.
A step is arithmetic that takes some milliseconds; each is told, as a loop that logs everything would."""

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
    seconds = float(os.environ["SECONDS"])
    rng = random.Random(1)
    a, b = ([[rng.random() for _ in range(SIZE)] for _ in range(SIZE)] for _ in range(2))
    run = et.start()
    took: list[tuple[float, float]] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.perf_counter()
        loss = work(a, b) / (len(took) + 1)
        run.log(step=len(took), loss=loss)
        took.append((time.time(), time.perf_counter() - began))
    Path(os.environ["FIGURES"]).write_text(json.dumps(took), encoding="utf-8")
    run.finish()


if __name__ == "__main__":
    main()
