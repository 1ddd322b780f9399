"""A training program that does nothing but tell metrics: `python metric_calls.py COUNT FILE`.

Each call is timed by itself, beside the CPU of the process and whether the thread waited for
another one. A slow call that did neither was one from which the system took the core; a loop of
nothing, measured in the same way, says how often that happens to anybody. One that waited while
hardly anything was done waited for the network, or for a thread that had lost its core.
"""

import json
import os
import resource
import statistics
import sys
import time
from array import array
from collections.abc import Callable, Sequence
from pathlib import Path

import eventrain_trainer as et

MILLISECOND = 1_000_000
Slow = list[tuple[bool, bool]]


def timed(count: int, call: Callable[[int], None]) -> tuple[Sequence[int], Slow]:
    """Nanoseconds of each call; and of those over a millisecond, whether the process worked as long, or it waited."""
    # No list: the garbage collector would walk through a million figures in the middle of a call.
    took = array("q", bytes(8 * count))
    slow: Slow = []
    clock, cpu = time.perf_counter_ns, time.process_time_ns
    for number in range(count):
        waits, worked = _waits(), cpu()
        began = clock()
        call(number)
        spent = clock() - began
        took[number] = spent
        if spent > MILLISECOND:
            slow.append((cpu() - worked > MILLISECOND, _waits() > waits))
    return took, slow


def _waits() -> int:
    return resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw


def figures(count: int, call: Callable[[int], None]) -> dict[str, float]:
    kept, slow = timed(count, call)
    took = sorted(kept)
    return {
        "median_us": statistics.median(took) / 1e3,
        "p99_9_us": took[count * 999 // 1000] / 1e3,
        "max_us": took[-1] / 1e3,
        "over_1_ms": len(slow),
        "worked_over_1_ms": sum(1 for worked, _ in slow if worked),
        "waited_over_1_ms": sum(1 for worked, waited in slow if waited and not worked),
    }


def main(count: int, file: str) -> None:
    run = et.start()
    said = {
        "nothing": figures(count, lambda number: None),
        "call": figures(count, lambda number: run.log(step=number, loss=0.25)),
    }
    Path(file).write_text(json.dumps(said), encoding="utf-8")
    # What follows would wait for the server, which is another measure.
    os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
