"""Postgres: the pool, the named statements of queries.sql, the schema that a function needs."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
from asyncpg.pool import PoolConnectionProxy

from common.settings import Database

SCHEMA = "0010"

# How asyncpg says that an answer failed to come, or came from a connection that was cut.
FAULTS = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)

KEPT = "set enable_seqscan = off"
KEYED = f"{KEPT}; set plan_cache_mode = force_generic_plan"

Connection = asyncpg.Connection | PoolConnectionProxy
Queryable = Connection | asyncpg.Pool


@cache
def statements() -> Mapping[str, str]:
    """Every statement of queries.sql by its name."""
    text = Path(__file__).with_name("queries.sql").read_text(encoding="utf-8")
    found: dict[str, str] = {}
    for block in text.split("-- name: ")[1:]:
        name, _, body = block.partition("\n")
        found[name.strip()] = body.strip().rstrip(";")
    return found


def statement(name: str) -> str:
    """The statement of that name."""
    return statements()[name]


def _encode(value: Any) -> str:
    return msgspec.json.encode(value).decode()


async def _prepare_kept(connection: Any) -> None:
    """Where statements are kept, so are their plans: one that was made while its table was small
    would go on to read all of it. Nothing here needs a whole table, and where there is no other way
    Postgres reads it all the same."""
    await _prepare(connection)
    await connection.execute(KEPT)


async def _prepare_keyed(connection: Any) -> None:
    """Where every statement names its rows, one plan does for all values. Left to itself, Postgres
    may plan anew each time, since it deems one named row cheaper than ten unnamed ones: for a
    single heartbeat that takes it longer than all else."""
    await _prepare(connection)
    await connection.execute(KEYED)


async def _prepare(connection: Any) -> None:
    await connection.set_type_codec(
        "jsonb", schema="pg_catalog", encoder=_encode, decoder=msgspec.json.decode
    )


async def _leave(connection: Any) -> None:
    """Between two users of a connection nothing is reset: no statement leaves a session state
    behind (a pooler would hand it to a stranger), and the pool itself ends open transactions. What
    asyncpg sends otherwise is a round trip for each use."""


async def open_pool(settings: Database, *, keyed: bool = False) -> asyncpg.Pool:
    """A pool that opens its connections when they are first needed; `keyed` for one whose
    statements all name the rows that they are about.

    Behind a pooler that hands out connections by transaction no statement outlives its use.
    """
    prepare = _prepare_keyed if keyed else _prepare_kept
    return await asyncpg.create_pool(
        settings.url,
        min_size=0,
        max_size=settings.pool_size,
        timeout=5,
        command_timeout=15,
        max_inactive_connection_lifetime=120,
        statement_cache_size=0 if settings.pooled_by_transaction else 200,
        server_settings={"application_name": settings.application},
        init=_prepare if settings.pooled_by_transaction else prepare,
        reset=_leave,
    )


async def close_pool(pool: asyncpg.Pool, grace: float = 5) -> None:
    """Closes what is open, waiting for statements under way no longer than `grace` seconds."""
    try:
        await asyncio.wait_for(pool.close(), grace)
    except TimeoutError:
        pool.terminate()


@asynccontextmanager
async def transaction(pool: asyncpg.Pool) -> AsyncGenerator[Connection]:
    """One connection, one transaction; committed on leaving, rolled back on an error."""
    async with pool.acquire() as connection, connection.transaction():
        yield connection


@asynccontextmanager
async def snapshot(pool: asyncpg.Pool) -> AsyncGenerator[Connection]:
    """One connection that shows the database as it stands at its first statement."""
    async with (
        pool.acquire() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        yield connection


async def schema_is_ready(pool: asyncpg.Pool) -> bool:
    """Whether the schema is at least the one that this code was written for."""
    try:
        return bool(await pool.fetchval(statement("schema_is_at_least"), SCHEMA))
    except FAULTS:
        return False
