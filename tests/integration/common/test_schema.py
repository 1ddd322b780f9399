"""The migrations lead to exactly the tables that are declared."""

import os
import subprocess
import sys

from tests.postgres_server import CLONE, Database

CHECK = """
from alembic import command
from common.migrate import alembic_config
command.check(alembic_config())
"""


def test_finds_no_difference_between_tables_and_migrations(database: Database) -> None:
    run = subprocess.run(
        [sys.executable, "-c", CHECK],
        env={**os.environ, "DATABASE_URL": database.url},
        cwd=CLONE,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
