"""Wires the event function."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import uuid4

import asyncpg

from common import callback, openapi, postgres, target
from common.asgi import App, Request, Route
from common.events import Publisher
from common.jobs import life
from common.jobs.outbox import Outbox
from common.jobs.report import Report
from common.jobs.told import Event, check_event, to_report
from common.openapi import Operation
from common.settings import Broker, Bucket, Database, JobKeys, load
from common.storage import address
from common.tokens.job_token import JobTokens
from functions.event.handler import event
from functions.event.schema import Answer

PATH = "/v1/jobs/{jobId}/event"
OPERATION = Operation("POST", PATH, "Tell what happened in the training", Event, Answer)


@dataclass(frozen=True)
class State:
    pool: asyncpg.Pool
    outbox: Outbox


def create_app(environ: Mapping[str, str]) -> App:
    """The function as an ASGI application. Raises SettingsError."""
    database, broker, keys, bucket = load(environ, Database, Broker, JobKeys, Bucket)
    tokens = JobTokens(keys.ring)

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
        told = callback.decode(content.body, Event)
        check_event(
            told, f"s3://{bucket.name}/{address.attempt_prefix(claims.job_id, claims.attempt)}"
        )
        key = content.event_key or f"plain|{uuid4()}"
        return await event(
            to_report(told, job_id=job_id, attempt=claims.attempt, event_key=key),
            pool=state.pool,
            come_alive=partial(_come_alive, state),
            now=now,
        )

    return App(
        [Route("POST", PATH, receive)],
        lifespan=lifespan,
        ready=lambda state: postgres.schema_is_ready(state.pool),
        openapi=lambda: openapi.document("event", [OPERATION]),
    )


async def main(request: Any) -> Any:
    """The functions framework's target."""
    return await target.hand_over(request, create_app)


def _now() -> datetime:
    return datetime.now(UTC)


async def _come_alive(state: State, told: Report) -> None:
    event_ids = await life.come_alive(
        state.pool, told.job_id, told.attempt, source="event", now=_now()
    )
    state.outbox.send_soon(event_ids)
