"""MLflow's own server beside the stack, for those who want it: `eventrain up --mlflow`.

It runs in an environment of its own, keeps its metadata in a database of the stack's Postgres and
its artifacts in the stack's bucket. Nothing of ours waits for it, neither now nor while it is away.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import asyncpg  # pyright: ignore[reportMissingTypeStubs]
import httpx

from infra.local import network
from infra.local.credential import Credentials
from infra.local.home import Home
from infra.local.keeper import Keeper
from infra.local.problem import PartMissing
from infra.local.process import Command
from infra.local.roster import Roster

DATABASE = "mlflow"
FOLDER = "mlflow"
ENVIRONMENT = ".venvs/mlflow"
# At its first start it makes its tables.
PATIENCE = 180.0
READY = "/api/2.0/mlflow/experiments/get?experiment_id=0"


def find_python(clone: Path) -> Path:
    """The interpreter of MLflow's environment. Raises PartMissing."""
    python = clone / ENVIRONMENT / "bin" / "python"
    if not python.exists():
        raise PartMissing(
            f"No MLflow found in {clone / ENVIRONMENT}: `make up MLFLOW=1` installs it."
        )
    return python


async def make_database(url: str) -> str:
    """A database for MLflow beside the one at this address, made where it is not there; its
    address."""
    connection: Any = await cast(Any, asyncpg).connect(url, timeout=10)
    try:
        known = "select 1 from pg_database where datname = $1"
        if not await connection.fetchval(known, DATABASE):
            await connection.execute(f"create database {DATABASE}")
    finally:
        await connection.close()
    return urlsplit(url)._replace(path=f"/{DATABASE}").geturl()


class MlflowServer:
    """`database_url` names a database of its own, which is there."""

    def __init__(
        self,
        home: Home,
        python: Path,
        credentials: Credentials,
        *,
        database_url: str,
        s3: str,
        bucket: str,
        roster: Roster,
        report: Callable[[str], None],
        port: int | None = None,
    ) -> None:
        self._port = port or network.free_port()
        self._keeper = Keeper(
            Command(
                name="MLflow",
                argv=argv_of(python, self._port),
                folder=home.folder_of("mlflow"),
                log=home.folder_of("logs") / "mlflow.log",
                environment={
                    **environment_of(home.folder_of("mlflow"), database_url, bucket),
                    "MLFLOW_S3_ENDPOINT_URL": s3,
                    "AWS_ACCESS_KEY_ID": credentials.s3_access_key_id,
                    "AWS_SECRET_ACCESS_KEY": credentials.s3_secret_access_key,
                },
            ),
            prepare=lambda: None,
            ready=self._answers,
            roster=roster,
            report=report,
            patience=PATIENCE,
        )

    @property
    def address(self) -> str:
        return f"http://{network.LOOPBACK}:{self._port}"

    @property
    def pid(self) -> int | None:
        return self._keeper.pid

    async def start(self) -> None:
        await self._keeper.start()

    async def stop(self) -> None:
        await self._keeper.stop(grace=5)

    def kill(self) -> None:
        self._keeper.kill()

    async def _answers(self) -> bool:
        async with httpx.AsyncClient(timeout=30, trust_env=False) as client:
            try:
                answer = await client.get(f"{self.address}{READY}")
            except httpx.TransportError:
                return False
        return answer.is_success


def argv_of(python: Path, port: int) -> list[str]:
    """What `mlflow server` runs in a process of its own: this one dies with the stack."""
    return [
        *(str(python), "-m", "uvicorn", "mlflow.server.fastapi_app:app"),
        *("--host", network.LOOPBACK, "--port", str(port)),
        *("--log-level", "warning", "--no-access-log"),
    ]


def environment_of(folder: Path, database_url: str, bucket: str) -> dict[str, str]:
    """With which `mlflow server` starts its workers."""
    backend = urlsplit(database_url)._replace(scheme="postgresql+psycopg2").geturl()
    return {
        "PATH": os.defpath,
        "HOME": str(folder),
        "_MLFLOW_SERVER_FILE_STORE": backend,
        "_MLFLOW_SERVER_REGISTRY_STORE": backend,
        "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
        "_MLFLOW_SERVER_ARTIFACT_DESTINATION": f"s3://{bucket}/{FOLDER}",
        "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
        "_MLFLOW_SGI_NAME": "uvicorn",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_SQLALCHEMYSTORE_POOL_SIZE": "10",
        "MLFLOW_SQLALCHEMYSTORE_MAX_OVERFLOW": "10",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
