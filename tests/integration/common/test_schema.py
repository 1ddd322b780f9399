"""The migrations lead to exactly the tables that are declared."""

import os
import subprocess
import sys

from alembic.script import ScriptDirectory

from common.migrate import alembic_config
from common.postgres import SCHEMA
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


def test_functions_wait_for_the_newest_revision() -> None:
    assert ScriptDirectory.from_config(alembic_config()).get_current_head() == SCHEMA
