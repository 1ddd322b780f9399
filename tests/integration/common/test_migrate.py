"""Rule 28: a migration waits for no lock for long, and gives way to one that runs."""

import asyncio
import os
import subprocess
import sys

import asyncpg

from tests.postgres_server import CLONE, Database


def migrate(database: Database) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "common.migrate"],
        env={**os.environ, "DATABASE_URL": database.url},
        cwd=CLONE,
        text=True,
        stderr=subprocess.PIPE,
    )


async def end(run: subprocess.Popen[str], seconds: float) -> tuple[int, str]:
    try:
        _, said = await asyncio.to_thread(run.communicate, timeout=seconds)
    finally:
        run.kill()
    return run.returncode, said


class TestMigrate:
    async def test_gives_up_on_a_table_that_somebody_holds_and_changes_nothing(
        self, database: Database, pool: asyncpg.Pool
    ) -> None:
        """Waiting, it would stand in the queue before everybody who only wants to read."""
        await pool.execute("drop table alembic_version")
        before = await _tables(pool)
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute("create table alembic_version (version_num text)")
            code, said = await end(migrate(database), 40)
            await connection.execute("drop table alembic_version")

        assert code != 0
        assert "lock timeout" in said
        assert await _tables(pool) == before

    async def test_changes_nothing_that_is_up_to_date_though_many_run_at_once(
        self, database: Database, pool: asyncpg.Pool
    ) -> None:
        before = await _tables(pool)

        ended = await asyncio.gather(*(end(migrate(database), 40) for _ in range(3)))

        assert ended == [(0, "")] * 3
        assert await _tables(pool) == before


async def _tables(pool: asyncpg.Pool) -> list[str]:
    rows = await pool.fetch(
        "select table_name || '.' || column_name as name from information_schema.columns"
        " where table_schema = 'public' order by 1"
    )
    return [row["name"] for row in rows]
