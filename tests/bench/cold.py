"""`python -m tests.bench.cold`: what a cold start costs, from the process to its first real answer.

Counted is the process's own CPU, in pairs: each function's after its baseline's, for the same work takes
half as long again when a machine of many slows down.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from uuid import UUID

import psutil

from infra.local.cluster.kubeconfig import write_kubeconfig
from tests import s3_server
from tests.bench import contender, report, world
from tests.bench.contender import Contender
from tests.bench.world import ATTEMPT, BODY, World
from tests.catalogue import bearer, with_storage
from tests.integration.functions.conftest import environ_of
from tests.keys import job_token_for

# A function's CPU and its baseline's, ms.
Pair = tuple[float, float]
Spent = dict[str, list[Pair]]

API = "/llm-ops/v1"
HELLO = Contender("functions-framework hello", "tests.bench.baselines.framework_hello")
BARE = Contender("FastAPI + SQLModel + asyncpg", "tests.bench.baselines.fastapi_function")
PACE = 0.05
NOWHERE = "http://127.0.0.1:9"
SUBMISSION = {
    "jobType": "from_scratch",
    "useGpu": False,
    "resourceProfile": {"cpuCores": 1, "memory": "1Gi", "maxDuration": 10},
    "hyperparameters": {"architecture": "mlp", "epochs": 8},
}


@dataclass(frozen=True)
class Call:
    """The first real request to a function."""

    method: str
    path: str
    body: Any = None
    headers: Mapping[str, str] | None = None


def callback(what: str, body: Any) -> Callable[[UUID], Call]:
    def call(job_id: UUID) -> Call:
        token = job_token_for(job_id, ATTEMPT, datetime.now(UTC))
        path = f"/v1/jobs/{job_id}/{what}"
        return Call("POST", path, body, {"authorization": f"Bearer {token}"})

    return call


def user(method: str, path: str, body: Any = None) -> Callable[[UUID], Call]:
    return lambda job_id: Call(method, API + path.format(job_id), body, bearer())


def event(name: str) -> Callable[[UUID], Call]:
    """What a broker delivers."""

    def call(job_id: UUID) -> Call:
        return Call(
            "POST",
            "/",
            {},
            HEADERS | {"ce-type": f"dev.eventrain.{name}.v1", "ce-subject": str(job_id)},
        )

    return call


def last_tick(_: UUID) -> Call:
    return Call("GET", "/tickz")


HEADERS = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "bench"}
EVENT = {"type": "epoch_end", "payload": {}, "occurredAt": "2026-01-01T12:00:00Z"}
HOT = {
    "heartbeat": callback("heartbeat", json.loads(BODY.replace("@", "1000000"))),
    "done": callback("done", {"outcome": "succeeded"}),
    "event": callback("event", EVENT),
}
HTTP = {
    "submit-job": user("POST", "/training/jobs?dryRun=true", SUBMISSION),
    "jobs": user("GET", "/training/jobs"),
    "gpu-types": user("GET", "/training/gpu-types"),
    "history": user("GET", "/training/jobs/{}/timeline"),
    "experiments": user("GET", "/training/jobs/{}/experiment-run"),
    "models": user("GET", "/catalog/models"),
    "datasets": user("GET", "/catalog/datasets"),
    "live": user("POST", "/training/jobs/live/token", {}),
    "register-model": event("job.succeeded"),
    "launch-job": event("job.submitted"),
    "dead-letter": event("job.failed"),
    "status-sync": last_tick,
}
BOUNDS = (("hot", HOT, HELLO, 1.6), ("HTTP", HTTP, BARE, 1.2))


def main(arguments: Sequence[str]) -> int:
    """0 when every function stays within its bound."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.cold", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="three rounds instead of nine")
    rounds = 3 if parser.parse_args(arguments).quick else 9
    load_cores, core = world.cores()
    os.sched_setaffinity(0, load_cores)
    with (
        tempfile.TemporaryDirectory(prefix="eventrain-bench-") as folder,
        world.make(Path(folder) / "postgres") as made,
        s3_server.serve(_made(Path(folder) / "s3")) as storage,
    ):
        kubeconfig = Path(folder) / "kubeconfig"
        kubeconfig.write_text(write_kubeconfig(NOWHERE, "none", "default"), encoding="utf-8")
        around = with_storage({"KUBECONFIG": str(kubeconfig)}, storage)
        spent = _measure(rounds, made, core, around)
    report.write(Path(__file__).with_name("results") / "cold.json", spent)
    return 0 if _show(spent) else 1


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _measure(rounds: int, made: World, core: set[int], around: Mapping[str, str]) -> Spent:
    spent: Spent = defaultdict(list)
    root = Call("GET", "/")
    with made.database() as url:
        for number in range(rounds + 1):
            job_id = made.jobs[number]
            for _, functions, baseline, _ in BOUNDS:
                for name, call in functions.items():
                    floor = _start(baseline, root, url, core)
                    own = _start(_function(name, url, around), call(job_id), url, core)
                    if number > 0:
                        spent[name].append((own, floor))
    return spent


def _function(name: str, url: str, around: Mapping[str, str]) -> Contender:
    own = {"FUNCTION_TARGET": name, "BIND_ADDRESS": "127.0.0.1"}
    return Contender(name, "common.serve", {**environ_of(url), **around, **own})


def _start(one: Contender, call: Call, url: str, core: set[int]) -> float:
    """Milliseconds of CPU until the answer to the call."""
    with contender.serving(one, url, core) as served:
        connection = HTTPConnection("127.0.0.1", served.port, timeout=30)
        body = None if call.body is None else json.dumps(call.body)
        headers = {"content-type": "application/json", **(call.headers or {})}
        connection.request(call.method, call.path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        times = psutil.Process(served.pid).cpu_times()
        connection.close()
    if answer.status not in (200, 204):
        raise RuntimeError(f"{one.name} answered {answer.status}: {content[:300]!r}")
    time.sleep(PACE)
    return (times.user + times.system) * 1e3


def _show(spent: Mapping[str, Sequence[Pair]]) -> bool:
    print(report.machine())
    print(f"{'CPU from start to the first real 200':40}{'ms':>8}{'ratio':>8}{'at most':>9}")
    good = True
    for kind, functions, baseline, bound in BOUNDS:
        floors = [floor for name in functions for _, floor in spent[name]]
        print(f"{baseline.name:40}{statistics.median(floors):>8.0f}")
        for name in functions:
            cpu = statistics.median(own for own, _ in spent[name])
            ratio = statistics.median(own / floor for own, floor in spent[name])
            good = good and ratio <= bound
            word = "" if ratio <= bound else "  MISSED"
            print(f"  {name + ' (' + kind + ')':38}{cpu:>8.0f}{ratio:>8.2f}{bound:>9.1f}{word}")
    return good


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
