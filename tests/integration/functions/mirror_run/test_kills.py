"""mirror-run as a real process before a real MLflow: killed between MLflow's answer and what it keeps
of it, two at once, and an MLflow that is ill."""

import asyncio
import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime

import asyncpg
import httpx
import pytest

from tests.catalogue import with_storage
from tests.jobs import NOW
from tests.kubernetes import until
from tests.mlflow_front import Front, before
from tests.mlflow_server import MlflowServer
from tests.processes import Served, started_function
from tests.tracked import (
    CHILD,
    MAIN,
    MODEL,
    end,
    history_of,
    run_op,
    tell,
    tell_points,
    tracked_job,
)

STEPS = list(range(60))
pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def front(mlflow_server: MlflowServer) -> Iterator[Front]:
    with before(mlflow_server.url) as opened:
        yield opened


@pytest.fixture
def tracking(environ: dict[str, str], mlflow_server: MlflowServer, front: Front) -> dict[str, str]:
    """The environment of a mirror-run that speaks to the front."""
    return with_storage(environ, mlflow_server.storage) | {"MLFLOW_TRACKING_URI": front.url}


def wake(served: Served) -> None:
    kind = "dev.eventrain.mirror.requested.v1"
    headers = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "test", "ce-type": kind}
    with contextlib.suppress(httpx.TransportError):
        httpx.post(served.address, headers=headers)


async def told_job(pool: asyncpg.Pool) -> object:
    """An attempt that told of all there is, and is over."""
    job_id = await tracked_job(pool)
    model = {"op": "model", "model": MODEL, "run": MAIN, "name": "tree", "type": ""}
    metrics = [["f1", 1 / (s + 1), int(NOW.timestamp() * 1000) + 1000 * s, s] for s in STEPS]
    await tell(pool, job_id, run_op(), run_op(CHILD, parent=MAIN))
    await tell(pool, job_id, {"op": "metrics", "run": CHILD, "metrics": metrics[:30]})
    await tell(pool, job_id, model, {"op": "model_status", "model": MODEL, "status": "READY"})
    await tell(pool, job_id, {"op": "outputs", "run": MAIN, "models": [{"model_id": MODEL}]})
    for number in range(60):
        await tell_points(pool, job_id, [number], sequence=number)
    await tell(pool, job_id, {"op": "metrics", "run": CHILD, "metrics": metrics[30:]})
    await end(pool, job_id, at=datetime.now(UTC))
    return job_id


async def is_caught_up(pool: asyncpg.Pool, job_id: object) -> bool:
    return bool(await pool.fetchval("select caught_up_at from mirrors where job_id = $1", job_id))


async def let_lease_end(pool: asyncpg.Pool) -> None:
    await pool.execute("update work set next_at = $1 where kind = 'mirror'", NOW)


def check(server: MlflowServer, job_id: object) -> None:
    """No point lost, none twice, in order; each run and model once."""
    runs = server.runs(job_id)
    by_name = {run["info"]["run_name"]: run for run in runs}
    assert sorted(by_name) == ["run a", "run b"]
    assert len(runs) == 2
    assert {run["info"]["status"] for run in runs} == {"FINISHED"}
    main, child = by_name["run a"], by_name["run b"]
    assert server.history(main["info"]["run_id"], "loss") == history_of(STEPS)
    assert server.history(child["info"]["run_id"], "f1") == history_of(STEPS)
    body = {"experiment_ids": [server.experiment(job_id)]}
    (model,) = server.call("POST", "logged-models/search", **body)["models"]
    (linked,) = main["outputs"]["model_outputs"]
    assert linked["model_id"] == model["info"]["model_id"]


@pytest.mark.parametrize(
    ("path", "nth"),
    [
        ("experiments/create", 1),
        ("runs/create", 1),
        ("runs/create", 2),
        ("runs/log-batch", 1),
        ("runs/log-batch", 2),
        ("mlflow/logged-models", 2),
        ("runs/outputs", 1),
        ("runs/update", 1),
    ],
)
async def test_a_kill_after_mlflow_did_what_it_was_asked_changes_nothing(
    pool: asyncpg.Pool,
    tracking: dict[str, str],
    front: Front,
    mlflow_server: MlflowServer,
    path: str,
    nth: int,
) -> None:
    job_id = await told_job(pool)
    with started_function("mirror_run", tracking) as killed:
        seen: list[str] = []

        def after(called: str) -> bool:
            seen.append(called)
            if sum(path in each for each in seen) == nth and killed.process.poll() is None:
                killed.process.kill()
                return True
            return False

        front.after = after
        wake(killed)
        await until(lambda: is_killed(killed), seconds=60)
    front.after = lambda called: False
    assert not await is_caught_up(pool, job_id)
    await let_lease_end(pool)
    with started_function("mirror_run", tracking) as served:
        wake(served)
        await until(lambda: is_caught_up(pool, job_id), seconds=120)

    check(mlflow_server, job_id)


async def is_killed(served: Served) -> bool:
    return served.process.poll() is not None


async def test_two_at_once_carry_an_attempt_once(
    pool: asyncpg.Pool, tracking: dict[str, str], front: Front, mlflow_server: MlflowServer
) -> None:
    """The second one begins while the first, whose lease has run out, waits for an answer."""
    job_id = await told_job(pool)
    front.slow = 1.0
    with (
        started_function("mirror_run", tracking) as first,
        started_function("mirror_run", tracking) as second,
    ):
        wake(first)

        async def is_under_way() -> bool:
            return any("runs/search" in call for call in front.calls)

        await until(is_under_way, seconds=60)
        await let_lease_end(pool)
        wake(second)
        await until(lambda: is_caught_up(pool, job_id), seconds=180)
        front.slow = 0

    check(mlflow_server, job_id)


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_an_mlflow_that_is_ill_is_asked_again_later(
    pool: asyncpg.Pool,
    tracking: dict[str, str],
    front: Front,
    mlflow_server: MlflowServer,
    status: int,
) -> None:
    job_id = await told_job(pool)
    front.failing = status
    with started_function("mirror_run", tracking) as served:
        wake(served)

        async def is_put_off() -> bool:
            error = await pool.fetchval("select error from mirrors where job_id = $1", job_id)
            return f"answered {status}" in (error or "")

        await until(is_put_off, seconds=60)
        front.failing = None
        for _ in range(60):
            await let_lease_end(pool)
            wake(served)
            if await is_caught_up(pool, job_id):
                break
            await asyncio.sleep(1)

    check(mlflow_server, job_id)
