"""`python -m tests.bench.check`: the CPU of checking a submission, from its parsed JSON to the last
rule, the GPU list as its file says it now; without what the database is asked.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Sequence
from typing import Any

from common.jobs import request, rules
from common.jobs.offer import OfferFiles
from tests.bench import report
from tests.bench.report import Bound
from tests.jobs import PROJECT
from tests.postgres_server import CLONE

ROUNDS, QUICK_ROUNDS = 5_000, 500
CPU: dict[str, Any] = {
    "jobType": "from_scratch",
    "useGpu": False,
    "resourceProfile": {"cpuCores": 1, "memory": "1Gi", "maxDuration": 10},
    "hyperparameters": {"architecture": "mlp", "epochs": 8},
    "labels": {"team": "vision", "sweep": "12"},
    "notifications": {"onCompletion": ["https://hooks.example.com/done"]},
}


def rows(*, quick: bool) -> list[Bound]:
    """The median of each kind of submission."""
    rounds = QUICK_ROUNDS if quick else ROUNDS
    offers = OfferFiles(CLONE / "infra/base/config", "dev", "eventrain")
    (gpu, *_) = (each for each in offers.current().gpu_types if each.enabled)
    profile = {"gpuCount": 2, "gpuType": gpu.id, "maxDuration": 60}
    kinds = {
        "without a GPU": CPU,
        "with a GPU": CPU | {"useGpu": True, "resourceProfile": profile},
        "against rules": CPU | {"useGpu": True, "jobType": "finetune", "env": {"1": "x"}},
    }
    return [
        Bound(f"checking a submission {kind}, CPU", median(raw, offers, rounds), "ms", 1)
        for kind, raw in kinds.items()
    ]


def median(raw: dict[str, Any], offers: OfferFiles, rounds: int) -> float:
    """Milliseconds of CPU."""
    taken: list[float] = []
    for _ in range(rounds):
        began = time.process_time_ns()
        offer = offers.current()
        asked, found = request.read(raw)
        found += rules.check(asked, offer, PROJECT)
        taken.append((time.process_time_ns() - began) / 1e6)
    return statistics.median(taken)


def main(arguments: Sequence[str]) -> int:
    """0 when the bound was kept."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.check", description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_ROUNDS} of each")
    return report.tell(rows(quick=parser.parse_args(arguments).quick))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
