"""Rule 28: a function whose schema is older than it needs is alive and not ready."""

from importlib import import_module
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from common.settings import Storage
from tests.asgi import serving
from tests.catalogue import with_storage
from tests.postgres_server import CLONE

WITHOUT_A_DATABASE = {"dead_letter", "gpu_types", "sources"}
# Says so of a schema that is behind.
SPEAKS_OF_IT = {"doctor"}
FUNCTIONS = sorted(
    {path.parent.name for path in CLONE.glob("functions/*/app.py")}
    - WITHOUT_A_DATABASE
    - SPEAKS_OF_IT
)
KUBECONFIG = """
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "http://127.0.0.1:9"}}]
users: [{name: u, user: {}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
"""


@pytest.fixture
def settings(environ: dict[str, str], storage: Storage, tmp_path: Path) -> dict[str, str]:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(KUBECONFIG)
    return with_storage(environ, storage) | {"KUBECONFIG": str(kubeconfig)}


@pytest.mark.parametrize("function", FUNCTIONS)
class TestAFunction:
    async def test_is_ready_only_with_the_schema_it_needs(
        self, function: str, pool: asyncpg.Pool, settings: dict[str, str]
    ) -> None:
        app: Any = import_module(f"functions.{function}.app").create_app(settings)
        async with serving(app) as client:
            assert (await client.get("/readyz")).status_code == 200

            await pool.execute("update alembic_version set version_num = '0000'")
            older = await client.get("/readyz")
            await pool.execute("delete from alembic_version")
            none = await client.get("/readyz")
            await pool.execute("insert into alembic_version values ('9999')")
            newer = await client.get("/readyz")
            alive = await client.get("/healthz")

        assert (older.status_code, none.status_code) == (503, 503)
        assert older.json()["status"] == "fail"
        assert (newer.status_code, alive.status_code) == (200, 200)
