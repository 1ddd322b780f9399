"""schemathesis reads each function's own description and tries to prove it wrong."""

import asyncio
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import jwt
import pytest

from common import postgres
from common.jobs.state import Status
from common.settings import Database as DatabaseSettings
from common.settings import Storage
from tests.jobs import PROJECT, make_job
from tests.keys import SECRET, job_token_for, now_utc
from tests.postgres_server import CLONE, Database
from tests.processes import running_function

CONSUMERS = {"launch_job", "mirror_run", "status_sync", "notify"}
FUNCTIONS = sorted({path.parent.name for path in CLONE.glob("functions/*/app.py")} - CONSUMERS)
HOT = ("heartbeat", "event", "done")
EXAMPLES = 25

# 422 is the contract's word for what a schema cannot say: a rule between fields, a project's own
# data. NUL is refused everywhere, and tried by the tests of bad input.
CONFIG = """
[generation]
allow-x00 = false

[checks]
positive_data_acceptance.expected-statuses = [200, 401, 403, 404, 409, 422, 429, 503]

[parameters]
jobId = "{job_id}"
job_id = "{job_id}"
"""


def user_token(role: str = "admin") -> str:
    now = int(time.time())
    claims = {"iss": "eventrain", "aud": "eventrain-api", "sub": "ada", "iat": now}
    claims |= {"exp": now + 3600, "projects": {str(PROJECT): role}}
    return jwt.encode(claims, SECRET, algorithm="HS256", headers={"kid": "k2"})


def make_running_job(database: Database) -> Any:
    async def make() -> Any:
        pool: asyncpg.Pool = await postgres.open_pool(DatabaseSettings(url=database.url))
        try:
            return await make_job(pool, Status.RUNNING)
        finally:
            await pool.close()

    return asyncio.run(make())


@pytest.mark.timeout(600)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_finds_no_way_to_break_it(
    function: str, database: Database, environ: dict[str, str], storage: Storage, tmp_path: Path
) -> None:
    job_id = make_running_job(database)
    token = job_token_for(job_id, 1, now_utc()) if function in HOT else user_token()
    config = tmp_path / "schemathesis.toml"
    config.write_text(CONFIG.format(job_id=job_id))
    # A stream would not end by itself for ten minutes.
    settings = environ | {"LIVE_STREAM_SECONDS": "0.1", "S3_ENDPOINT_URL": storage.endpoint_url}
    with running_function(function, settings) as address:
        assert httpx.get(f"{address}/openapi.json").json()["paths"]
        run = subprocess.run(
            [
                str(Path(sys.executable).with_name("schemathesis")),
                *("--config-file", str(config)),
                *("run", f"{address}/openapi.json", "--url", address),
                *("--header", f"Authorization: Bearer {token}"),
                *("--checks", "all", "--max-examples", str(EXAMPLES)),
                *("--phases", "examples,coverage,fuzzing", "--continue-on-failure"),
                *("--no-color", "--seed", "7"),
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
    assert run.returncode == 0, run.stdout[-12_000:] + run.stderr[-2_000:]
