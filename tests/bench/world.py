"""What every contender finds: a Postgres, 1,000 running jobs on their second attempt, a token for
each, and one of the first attempt that must not be heard."""

import asyncio
import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

import asyncpg

from common import postgres
from common.jobs.state import Status
from common.settings import Database as DatabaseSettings
from tests.jobs import make_job
from tests.keys import job_token_for
from tests.postgres_server import PostgresServer

JOBS = 1000
ATTEMPT = 2
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
BODY = (
    '{"sequence":@,"epoch":3,"totalEpochs":10,"step":@,"totalSteps":2000000,'
    '"metrics":{"loss":0.31876,"accuracy":0.91234,"learning_rate":0.0003,'
    '"grad_norm":1.48213,"samples_per_second":512.25}}'
)
SEQUENCE_DIGITS = 7
Target = dict[str, str | None]


class World:
    """One Postgres, and a filled database of which each run gets a fresh copy."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self._filled = server.create()
        self._numbers = itertools.count(1)
        self.jobs: list[UUID] = asyncio.run(_fill(self._filled.url))

    @property
    def postgres_pid(self) -> int:
        assert self._server.pid is not None
        return self._server.pid

    def kill_postgres(self) -> None:
        """kill -9; it is started again."""
        self._server.kill()

    @contextmanager
    def database(self) -> Iterator[str]:
        """The address of a fresh copy."""
        with self._made(f"template {self._filled.name}") as url:
            yield url

    @contextmanager
    def empty_database(self) -> Iterator[str]:
        """One without our tables."""
        with self._made("template template0") as url:
            yield url

    @contextmanager
    def _made(self, how: str) -> Iterator[str]:
        name = f"bench_run_{next(self._numbers)}"
        asyncio.run(self._admin(f"create database {name} {how}"))
        asyncio.run(self._admin("checkpoint"))
        try:
            yield self._filled.url.replace(self._filled.name, name)
        finally:
            asyncio.run(self._admin(f"drop database {name} with (force)"))

    def heartbeats(self) -> list[Target]:
        """How the load speaks for each job."""
        now = datetime.now(UTC)
        return [
            {
                "head": _head(job_id, job_token_for(job_id, ATTEMPT, now)),
                "old": _head(job_id, job_token_for(job_id, ATTEMPT - 1, now)),
                "body": BODY,
            }
            for job_id in self.jobs
        ]

    async def _admin(self, statement: str) -> None:
        address = urlsplit(self._filled.url)
        connection = await asyncpg.connect(address._replace(path="/postgres").geturl())
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


@contextmanager
def make(folder: Path) -> Iterator[World]:
    """A world in this folder; its Postgres runs on the cores of whoever calls."""
    folder.mkdir(parents=True)
    server = PostgresServer(folder)
    server.start()
    try:
        yield World(server)
    finally:
        server.stop()


async def read_stored(url: str) -> set[tuple[UUID, int]]:
    """Each heartbeat in the table, by job and sequence."""
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch(
            "select job_id, sequence from heartbeats where attempt = $1", ATTEMPT
        )
        others = await connection.fetchval("select count(*) from heartbeats where attempt <> 2")
    finally:
        await connection.close()
    assert others == 0, f"{others} heartbeats of an older attempt were stored"
    return {(row["job_id"], row["sequence"]) for row in rows}


async def _fill(url: str) -> list[UUID]:
    pool = await postgres.open_pool(DatabaseSettings(url=url, pool_size=8))
    enough = asyncio.Semaphore(8)

    async def one() -> UUID:
        async with enough:
            return await make_job(pool, Status.RUNNING)

    jobs = await asyncio.gather(*(one() for _ in range(JOBS)))
    for table in ("jobs", "beats"):
        await pool.execute(f"update {table} set attempt = $1", ATTEMPT)
    await pool.execute("vacuum analyze")
    await postgres.close_pool(pool)
    return jobs


def _head(job_id: UUID, token: str) -> str:
    length = len(BODY.replace("@", "0" * SEQUENCE_DIGITS))
    return (
        f"POST /v1/jobs/{job_id}/heartbeat HTTP/1.1\r\n"
        "host: 127.0.0.1\r\n"
        f"authorization: Bearer {token}\r\n"
        "content-type: application/json\r\n"
        f"traceparent: {TRACEPARENT}\r\n"
        f"content-length: {length}\r\n\r\n"
    )


def cores() -> tuple[set[int], set[int]]:
    """Those for the load and Postgres, and the one for the server; the same where there is one."""
    usable = sorted(os.sched_getaffinity(0))
    return set(usable[1:]) or set(usable), {usable[0]}
