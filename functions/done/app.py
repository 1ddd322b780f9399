"""Wires the done function: the end of an attempt, and the addresses that it uploads to."""

import random
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import asyncpg

from common import callback, openapi, postgres, target
from common.asgi import App, Request, Route
from common.config_file import ConfigFile
from common.events import Publisher
from common.jobs import reading
from common.jobs.access import read_grants
from common.jobs.outbox import Outbox
from common.jobs.retry import RetryRules
from common.jobs.told import Done, to_ending
from common.jobs.view import JobView
from common.openapi import Operation
from common.settings import Beats, Broker, Config, Database, JobKeys, Storage, load
from common.storage import address
from common.storage.grants import LIFETIME, Grants, Put, get_address, put_address
from common.tokens.job_token import JobTokens
from functions.done.handler import done
from functions.done.schema import Addresses, Granted

PATH = "/v1/jobs/{jobId}/done"
ADDRESSES = "/v1/jobs/{jobId}/addresses"
OPERATIONS = [
    Operation("POST", PATH, "Say how the training ended", Done, JobView),
    Operation("POST", ADDRESSES, "Ask where to write and read", Addresses, Granted),
]


@dataclass(frozen=True)
class State:
    pool: asyncpg.Pool
    outbox: Outbox


def create_app(environ: Mapping[str, str]) -> App:
    """The function as an ASGI application. Raises SettingsError."""
    database, broker, keys = load(environ, Database, Broker, JobKeys)
    storage, config, beats = load(environ, Storage, Config, Beats)
    tokens = JobTokens(keys.ring)
    rules = ConfigFile(config.folder / "retry-rules.yaml", RetryRules.parse)

    @asynccontextmanager
    async def lifespan() -> AsyncGenerator[State]:
        pool = await postgres.open_pool(database, keyed=True)
        publisher = Publisher(broker.url, token_file=broker.token_file)
        state = State(pool, Outbox(pool, publisher.publish, _now))
        yield state
        await state.outbox.close()
        await publisher.close()
        await postgres.close_pool(pool)

    async def receive(request: Request) -> object:
        now, state = _now(), request.state
        job_id, claims = callback.authenticate(request, tokens, now)
        content = await callback.read(request)
        told = to_ending(
            callback.decode(content.body, Done),
            job_id=job_id,
            attempt=claims.attempt,
            prefix=f"s3://{storage.bucket}/{address.attempt_prefix(claims.job_id, claims.attempt)}",
        )
        await done(
            told,
            pool=state.pool,
            rules=rules.current,
            announce=state.outbox.send_soon,
            now=now,
            jitter=random.random,
        )
        return await reading.find_view(state.pool, job_id, now=now, interval=beats.interval)

    async def grant(request: Request) -> object:
        now = _now()
        job_id, claims = callback.authenticate(request, tokens, now)
        content = await callback.read(request)
        wanted = callback.decode(content.body, Addresses)
        grants = await read_grants(request.state.pool, job_id, claims.attempt, wanted.gets)
        return _granted(wanted, grants, storage, now)

    return App(
        [Route("POST", PATH, receive), Route("POST", ADDRESSES, grant)],
        lifespan=lifespan,
        ready=lambda state: postgres.schema_is_ready(state.pool),
        openapi=lambda: openapi.document("done", OPERATIONS),
    )


async def main(request: Any) -> Any:
    """The functions framework's target."""
    return await target.hand_over(request, create_app)


def _granted(wanted: Addresses, grants: Grants, storage: Storage, now: datetime) -> Granted:
    puts = [
        put_address(
            grants, Put(p.name, p.size, p.upload_id), f"puts.{index}", storage=storage, now=now
        )
        for index, p in enumerate(wanted.puts)
    ]
    gets = [
        get_address(grants, name, f"gets.{index}", storage=storage, now=now)
        for index, name in enumerate(wanted.gets)
    ]
    prefix = f"s3://{storage.bucket}/{grants.prefix}"
    return Granted(prefix, int(LIFETIME.total_seconds()), puts, gets)


def _now() -> datetime:
    return datetime.now(UTC)
