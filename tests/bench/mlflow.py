"""MLflow's server under the same load: the same metrics, by `log-batch`, for a run a job."""

import asyncio
import json
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any
from urllib.request import Request, urlopen

import asyncpg

from tests.bench import contender, heartbeats
from tests.bench.contender import Contender
from tests.bench.heartbeats import Dishonest, Ground, Session
from tests.bench.world import JOBS, SEQUENCE_DIGITS, Target
from tests.postgres_server import CLONE

HOME = CLONE / ".venvs" / "bench-mlflow"
PYTHON = HOME / "bin" / "python"
PACKAGES = ("mlflow==3.17.2", "psycopg2-binary")
METRICS = {
    "loss": 0.31876,
    "accuracy": 0.91234,
    "learning_rate": 0.0003,
    "grad_norm": 1.48213,
    "samples_per_second": 512.25,
}
COUNT = "select count(*) from (select distinct run_uuid, step from metrics) as told"
MLFLOW = Contender("MLflow log-batch", "tests.bench.baselines.mlflow_server", python=str(PYTHON))


def prepare() -> str | None:
    """Installs MLflow into an environment of its own; says why not where it cannot be."""
    if (HOME / ".made").exists():
        return None
    uv = CLONE / ".tools" / "bin" / "uv"
    if not uv.exists():
        return f"{uv.relative_to(CLONE)} is not there; run `make setup` first"
    print("installing MLflow into .venvs/bench-mlflow, once")
    for command in (
        [uv, "venv", "--quiet", "--allow-existing", HOME],
        [uv, "pip", "install", "--quiet", "--python", PYTHON, *PACKAGES],
    ):
        ran = subprocess.run(command, capture_output=True, text=True, cwd=CLONE, check=False)
        if ran.returncode:
            return ran.stderr.strip().splitlines()[-1]
    (HOME / ".made").touch()
    return None


@contextmanager
def playing(one: Contender, connections: int, ground: Ground) -> Generator[Session]:
    """Served on a fresh database, with its load. Raises Dishonest at the end."""
    made, acknowledged = ground.made, ground.folder / f"acknowledged by {one.name}"
    with made.empty_database() as url:
        with contender.serving(one, url, ground.core) as served:
            runs = _start_runs(f"http://127.0.0.1:{served.port}/api/2.0/mlflow")
            targets = [_target(run) for run in runs]
            with heartbeats.offering(served, made, targets, connections, acknowledged) as session:
                yield session
        told = len(acknowledged.read_text().splitlines())
        stored = asyncio.run(_count(url))
    if stored != told:
        raise Dishonest(f"MLflow acknowledged {told} batches and stored {stored}")


def _start_runs(api: str) -> list[str]:
    experiment = _post(f"{api}/experiments/create", {"name": "bench"})["experiment_id"]
    body = {"experiment_id": experiment}
    return [_post(f"{api}/runs/create", body)["run"]["info"]["run_id"] for _ in range(JOBS)]


def _post(url: str, body: dict[str, Any]) -> dict[str, Any]:
    headers = {"content-type": "application/json"}
    request = Request(url, json.dumps(body).encode(), headers)
    with urlopen(request, timeout=60) as answer:
        return json.load(answer)


def _target(run: str) -> Target:
    metrics = ",".join(
        f'{{"key":"{key}","value":{value},"timestamp":1767225600000,"step":@}}'
        for key, value in METRICS.items()
    )
    body = f'{{"run_id":"{run}","metrics":[{metrics}]}}'
    length = len(body.replace("@", "0" * SEQUENCE_DIGITS))
    head = (
        "POST /api/2.0/mlflow/runs/log-batch HTTP/1.1\r\nhost: 127.0.0.1\r\n"
        f"content-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    )
    return {"head": head, "old": None, "body": body}


async def _count(url: str) -> int:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(COUNT)
    finally:
        await connection.close()
