"""Alembic's environment: asynchronous, one transaction a migration, a bounded wait for locks."""

import asyncio
import os
import pkgutil
from importlib import import_module

from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import SQLModel

from common import tables

LOCK_TIMEOUT = "5s"
ONE_AT_A_TIME = 7_305_143

for noun in pkgutil.iter_modules(tables.__path__, "common.tables."):
    import_module(noun.name)

target_metadata = SQLModel.metadata


def _migrate(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=target_metadata,
        transaction_per_migration=True,
        compare_type=True,
        compare_server_default=True,
    )
    with context.begin_transaction():
        context.execute(text(f"set lock_timeout = '{LOCK_TIMEOUT}'"))
        context.run_migrations()


async def _run() -> None:
    url = os.environ["DATABASE_URL"].replace("postgres://", "postgresql://", 1)
    engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://", 1))
    async with engine.connect() as connection:
        await connection.execute(text(f"select pg_advisory_lock({ONE_AT_A_TIME})"))
        await connection.commit()
        await connection.run_sync(_migrate)
    await engine.dispose()


asyncio.run(_run())
