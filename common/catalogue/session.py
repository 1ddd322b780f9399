"""SQLModel sessions on the database that the settings name."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker, create_async_engine
from sqlmodel.ext.asyncio.session import AsyncSession

from common.postgres import SCHEMA
from common.settings import Database

Sessions = async_sessionmaker[AsyncSession]

WAIT_FOR_CONNECTION = 10


@asynccontextmanager
async def open_sessions(settings: Database) -> AsyncGenerator[Sessions]:
    """Opens connections when they are first needed. A session is opened and committed by the
    caller, `async with sessions.begin() as session`, and never held across S3."""
    engine = _engine(settings)
    try:
        yield async_sessionmaker(engine, class_=AsyncSession, expire_on_commit=False)
    finally:
        await engine.dispose()


async def driver_of(session: AsyncSession) -> asyncpg.Connection:
    """The connection below, in the session's own transaction, for statements of queries.sql."""
    raw = await (await session.connection()).get_raw_connection()
    driver: asyncpg.Connection | None = raw.driver_connection
    assert driver is not None
    return driver


async def schema_is_ready(sessions: Sessions) -> bool:
    """Whether the schema is at least the one that this code was written for."""
    needed = text("select exists (select from alembic_version where version_num >= :needed)")
    try:
        async with sessions() as session:
            connection = await session.connection()
            return bool(await connection.scalar(needed, {"needed": SCHEMA}))
    except (OSError, TimeoutError, SQLAlchemyError, asyncpg.PostgresError):
        return False


def _engine(settings: Database) -> AsyncEngine:
    options: dict[str, Any] = {"timeout": 5, "command_timeout": 15}
    arguments: dict[str, Any] = {}
    if settings.pooled_by_transaction:
        options["statement_cache_size"] = 0
        # Unnamed statements live no longer than the transaction that a pooler hands out.
        arguments = {"prepared_statement_cache_size": 0, "prepared_statement_name_func": str}

    async def connect(*_: Any, **__: Any) -> asyncpg.Connection:
        return await asyncpg.connect(settings.url, **options)

    return create_async_engine(
        "postgresql+asyncpg://",
        connect_args={"async_creator_fn": connect, **arguments},
        pool_size=settings.pool_size,
        max_overflow=0,
        pool_timeout=WAIT_FOR_CONNECTION,
        pool_pre_ping=True,
    )
