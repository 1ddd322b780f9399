"""What the hot functions may not import: it would cost each cold start, and memory for good."""

import json
import os
import subprocess
import sys

import pytest

from tests.keys import ring_json
from tests.postgres_server import CLONE

HEAVY = {"fastapi", "sqlmodel", "sqlalchemy", "pydantic", "boto3", "botocore", "kubernetes"}
HEAVY |= {"mlflow", "functions_framework", "flask", "starlette"}
ENVIRON = {
    "DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none",
    "BROKER_URL": "http://127.0.0.1:9",
    "JOB_TOKEN_KEYS": ring_json(),
    "USER_TOKEN_KEYS": ring_json(),
    "RECEIPT_KEYS": ring_json(),
    "CONFIG_DIR": str(CLONE / "infra" / "base" / "config"),
    "S3_ENDPOINT_URL": "http://127.0.0.1:9",
    "S3_BUCKET": "eventrain",
    "AWS_ACCESS_KEY_ID": "id",
    "AWS_SECRET_ACCESS_KEY": "secret",
}
PROGRAM = """
import json, os, sys
from common import serve
serve.load(sys.argv[1], os.environ)
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


@pytest.mark.parametrize("function", ["heartbeat", "event", "done", "live"])
def test_imports_nothing_heavy(function: str) -> None:
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, function],
        env={**os.environ, **ENVIRON},
        cwd=CLONE,
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(json.loads(run.stdout))
    assert "asyncpg" in loaded
    assert loaded & HEAVY == set()


@pytest.mark.parametrize("function", ["heartbeat", "event", "done"])
def test_a_callback_asks_no_gate(function: str) -> None:
    program = PROGRAM.replace('name.partition(".")[0]', "name")
    run = subprocess.run(
        [sys.executable, "-c", program, function],
        env={**os.environ, **ENVIRON},
        cwd=CLONE,
        capture_output=True,
        text=True,
        check=True,
    )
    assert {"common.access.gate", "common.access.rate"}.isdisjoint(json.loads(run.stdout))
