"""Models of ours in the registry of a real MLflow."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest
import pytest_asyncio

from common.jobs.state import Status, Trigger
from common.jobs.transition import Intent
from common.postgres import statement
from common.storage.objects import Objects, open_objects
from common.tokens.keyring import KeyRing
from common.tracking import mirror
from common.tracking.enrolment import MOST_TRIES, Registry, enrol_due
from common.tracking.mlflow import Mlflow
from functions.mirror_run.handler import Deps as MirrorDeps
from functions.mirror_run.handler import mirror_run
from functions.models.app import create_app as create_models
from functions.register_model.handler import Deps, Wish, register_due, register_model
from tests.catalogue import caller, with_storage
from tests.jobs import NOW, apply, make_job
from tests.keys import ring_json
from tests.kubernetes import until
from tests.mlflow_front import Front, before
from tests.mlflow_server import MlflowServer
from tests.processes import Served, started_function
from tests.tracked import MAIN, MODEL, run_op, tell

RING = KeyRing.parse(ring_json())
pytestmark = pytest.mark.timeout(600)


def now() -> datetime:
    return datetime.now(UTC)


@pytest_asyncio.fixture
async def objects(mlflow_server: MlflowServer) -> AsyncIterator[Objects]:
    async with open_objects(mlflow_server.storage) as opened:
        yield opened


@pytest_asyncio.fixture
async def mlflow(mlflow_server: MlflowServer) -> AsyncIterator[Mlflow]:
    client = Mlflow(mlflow_server.url, total=60)
    yield client
    await client.close()


@pytest.fixture
def deps(pool: asyncpg.Pool, objects: Objects, mlflow_server: MlflowServer) -> Deps:
    bucket = mlflow_server.storage.bucket
    return Deps(pool, objects, bucket, RING, lambda ids: None, now, has_mlflow=True)


@pytest.fixture
def registry(pool: asyncpg.Pool, mlflow: Mlflow) -> Registry:
    return Registry(pool, mlflow, now)


@pytest.fixture
def front(mlflow_server: MlflowServer) -> Iterator[Front]:
    with before(mlflow_server.url) as opened:
        yield opened


async def succeeded(pool: asyncpg.Pool, objects: Objects, **fields: Any) -> UUID:
    """A job whose program logged a model with MLflow's client, and that is to be carried."""
    job_id = await make_job(pool, Status.RUNNING, **fields)
    await mirror.begin(pool, [(job_id, 1)], now=NOW)
    model = {"op": "model", "model": MODEL, "run": MAIN, "name": "tree", "type": ""}
    await tell(pool, job_id, run_op(), model)
    await tell(pool, job_id, {"op": "model_status", "model": MODEL, "status": "READY"})
    key = f"jobs/{job_id}/1/artifacts/mlflow/models/{MODEL}/MLmodel"
    await objects.put_bytes(key, f"model_id: {MODEL}\n".encode())
    uri = f"s3://eventrain/{key}"
    told = [
        {"name": f"mlflow/models/{MODEL}/MLmodel", "uri": uri},
        {"name": "model/MLmodel", "uri": uri},
    ]
    done = {"outcome": "succeeded", "metrics": {"accuracy": 0.97}}
    await pool.execute(statement("insert_artifacts"), job_id, 1, told, NOW)
    await apply(pool, Intent(job_id, 1, Trigger.SUCCEEDED, "done", done=done), now())
    return job_id


async def carry(pool: asyncpg.Pool, job_id: UUID, mlflow: Mlflow, objects: Objects) -> None:
    await mirror_run(job_id, deps=MirrorDeps(pool, mlflow, objects, "eventrain", now))


async def entry_of(pool: asyncpg.Pool, job_id: UUID) -> Any:
    return await pool.fetchrow("select * from models where job_id = $1", job_id)


async def target_of(pool: asyncpg.Pool, job_id: UUID) -> Any:
    return await pool.fetchrow(
        "select registrations.* from registrations join models on models.id = entry_id"
        " where job_id = $1",
        job_id,
    )


async def make_due(pool: asyncpg.Pool) -> None:
    await pool.execute("update work set next_at = $1 where kind = 'enroll'", NOW)


def versions(server: MlflowServer, entry_id: UUID) -> list[dict[str, Any]]:
    wanted = f"tags.`eventrain.entry_id` = '{entry_id}'"
    return server.call("GET", "model-versions/search", filter=wanted).get("model_versions", [])


class TestEnrolment:
    async def test_makes_a_version_with_its_run_its_model_and_its_figures(
        self,
        pool: asyncpg.Pool,
        objects: Objects,
        deps: Deps,
        mlflow: Mlflow,
        registry: Registry,
        mlflow_server: MlflowServer,
    ) -> None:
        job_id = await succeeded(
            pool, objects, output_model_name="Digits", output_model_version="v2.1"
        )
        await register_due(job_id, deps=deps)
        await carry(pool, job_id, mlflow, objects)
        await enrol_due(job_id, registry)

        entry, target = await entry_of(pool, job_id), await target_of(pool, job_id)
        assert [file["name"] for file in entry["metadata"]["files"]] == ["MLmodel"]
        (version,) = versions(mlflow_server, entry["id"])
        (run,) = mlflow_server.runs(job_id)
        assert (target["status"], target["name"], target["version"]) == (
            "registered",
            "Digits",
            version["version"],
        )
        assert version["run_id"] == run["info"]["run_id"]
        assert version["source"].startswith("models:/m-")
        tags = {tag["key"]: tag["value"] for tag in version["tags"]}
        assert (tags["metric.accuracy"], tags["eventrain.version"]) == ("0.97", "v2.1")
        assert tags["eventrain.storage_uri"] == entry["storage_uri"]
        by_alias = mlflow_server.call(
            "GET", "registered-models/alias", name="Digits", alias="version-v2-1"
        )
        assert by_alias["model_version"]["version"] == version["version"]

    async def test_waits_for_the_run_and_keeps_nobody_waiting(
        self, pool: asyncpg.Pool, objects: Objects, deps: Deps, registry: Registry
    ) -> None:
        job_id = await succeeded(pool, objects)
        await register_due(job_id, deps=deps)
        for _ in range(MOST_TRIES + 1):
            await make_due(pool)
            await enrol_due(job_id, registry)

        target = await target_of(pool, job_id)
        assert (await entry_of(pool, job_id)) is not None
        assert (target["status"], target["tries"]) == ("pending", 0)
        assert "not all of the job's run" in target["error"]

    async def test_is_made_from_the_catalog_s_files_where_no_run_is_carried(
        self,
        pool: asyncpg.Pool,
        objects: Objects,
        deps: Deps,
        registry: Registry,
        mlflow_server: MlflowServer,
    ) -> None:
        job_id = await succeeded(pool, objects)
        await pool.execute("delete from mirrors where job_id = $1", job_id)
        await register_due(job_id, deps=deps)
        await enrol_due(job_id, registry)

        entry = await entry_of(pool, job_id)
        (version,) = versions(mlflow_server, entry["id"])
        assert version["source"] == entry["storage_uri"]

    async def test_gives_up_what_is_refused_until_somebody_asks_again(
        self, pool: asyncpg.Pool, objects: Objects, deps: Deps, mlflow: Mlflow, registry: Registry
    ) -> None:
        job_id = await succeeded(pool, objects)
        await register_due(job_id, deps=deps)
        await enrol_due(job_id, replace(registry, mlflow=None))
        target = await target_of(pool, job_id)
        assert (target["status"], "MLflow is off" in target["error"]) == ("failed", True)

        await carry(pool, job_id, mlflow, objects)
        await register_model(job_id, Wish(), deps=deps)
        await enrol_due(job_id, registry)

        assert (await target_of(pool, job_id))["status"] == "registered"

    async def test_is_shown_with_the_entry(
        self,
        pool: asyncpg.Pool,
        objects: Objects,
        deps: Deps,
        environ: dict[str, str],
        mlflow_server: MlflowServer,
    ) -> None:
        job_id = await succeeded(pool, objects)
        await register_due(job_id, deps=deps)
        entry = await entry_of(pool, job_id)
        app = create_models(with_storage(environ, mlflow_server.storage))
        async with caller(app) as client:
            shown = (await client.get(f"/llm-ops/v1/catalog/models/{entry['id']}")).json()["data"]
            (listed,) = (await client.get("/llm-ops/v1/catalog/models")).json()["data"]

        assert shown["targets"] == listed["targets"]
        states = [(target["target"], target["status"]) for target in shown["targets"]]
        assert states == [("catalog", "registered"), ("mlflow", "pending")]


class TestKills:
    @pytest.mark.parametrize(
        "path", ["registered-models/create", "model-versions/create", "registered-models/alias"]
    )
    async def test_a_kill_after_mlflow_did_what_it_was_asked_makes_no_second_version(
        self,
        pool: asyncpg.Pool,
        objects: Objects,
        deps: Deps,
        mlflow: Mlflow,
        environ: dict[str, str],
        front: Front,
        mlflow_server: MlflowServer,
        path: str,
    ) -> None:
        job_id = await succeeded(pool, objects)
        await register_due(job_id, deps=deps)
        await carry(pool, job_id, mlflow, objects)
        tracking = with_storage(environ, mlflow_server.storage)
        tracking |= {"MLFLOW_TRACKING_URI": front.url}
        async with _registering(tracking) as killed:

            def after(called: str) -> bool:
                if path in called:
                    killed.process.kill()
                    return True
                return False

            front.after = after
            with pytest.raises(httpx.TransportError):
                await _wake(killed, job_id)
        front.after = lambda called: False
        await make_due(pool)
        async with _registering(tracking) as served:
            await _wake(served, job_id)

            async def is_registered() -> bool:
                return (await target_of(pool, job_id))["status"] == "registered"

            await until(is_registered, seconds=60)

        assert len(versions(mlflow_server, (await entry_of(pool, job_id))["id"])) == 1


@asynccontextmanager
async def _registering(environ: dict[str, str]) -> AsyncIterator[Served]:
    with started_function("register_model", environ) as served:
        yield served


async def _wake(served: Served, job_id: UUID) -> None:
    headers = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "register-model"}
    headers |= {"ce-type": "dev.eventrain.model.registered.v1", "ce-subject": str(job_id)}
    async with httpx.AsyncClient(timeout=120) as client:
        await client.post(served.address, headers=headers)
