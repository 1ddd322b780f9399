"""What each function loads before it can answer. Modules are counted, not milliseconds: the count
is the same on every machine but for one more or less of Python's own, and nearly all of a cold
start is import."""

import os
import subprocess
import sys
from functools import cache

import pytest

from tests.integration.functions.conftest import environ_of
from tests.postgres_server import CLONE

# A little above what was loaded when this was written. Whoever must raise one of these reads
# docs/performance.md first, and measures with `make bench-cold`.
BUDGETS = {
    "heartbeat": 340,
    "event": 340,
    "done": 365,
    "live": 345,
    "gpu_types": 680,
    "jobs": 715,
    "history": 720,
    "submit_job": 730,
    "sources": 600,
    "models": 900,
    "datasets": 900,
    "register_model": 905,
    "dead_letter": 720,
    "retention": 730,
    "doctor": 830,
    "projects": 600,
    "tokens": 600,
    "audit": 600,
    "ledger": 680,
    "experiments": 680,
    "launch_job": 805,
    "status_sync": 830,
    "notify": 760,
    "mirror_run": 760,
    "webhooks": 730,
}
# Imported when first used, if at all: one of these would cost more than all else together.
LATER = {"boto3", "botocore", "kubernetes", "mlflow", "jwt", "cryptography", "alembic"}
PROGRAM = """
import os, sys
from common import serve
serve.load(sys.argv[1], os.environ)
print(*sys.modules)
"""


@cache
def loaded_by(function: str) -> tuple[str, ...]:
    environ = environ_of("postgresql://nobody@127.0.0.1:9/none")
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, function],
        env={"PATH": os.environ["PATH"], **environ},
        cwd=CLONE,
        capture_output=True,
        text=True,
        check=True,
    )
    return tuple(run.stdout.split())


def test_every_function_has_a_budget() -> None:
    folders = {app.parent.name for app in (CLONE / "functions").glob("*/app.py")}
    assert folders == set(BUDGETS)


@pytest.mark.parametrize("function", sorted(BUDGETS))
def test_a_function_stays_within_its_budget(function: str) -> None:
    loaded = loaded_by(function)
    assert "asyncio" in loaded
    assert len(loaded) <= BUDGETS[function]


@pytest.mark.parametrize("function", sorted(BUDGETS))
def test_a_function_imports_later_what_it_may_not_need(function: str) -> None:
    assert {name.partition(".")[0] for name in loaded_by(function)} & LATER == set()
