"""Wires the heartbeat function: one route, one group commit."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from common import callback, openapi, postgres, target
from common.asgi import App, Request, Route
from common.events import Publisher
from common.jobs import beat, life
from common.jobs.group import Group
from common.jobs.outbox import Outbox
from common.jobs.told import Heartbeat
from common.openapi import Operation
from common.settings import Beats, Broker, Database, JobKeys, load
from common.tokens import job_token
from common.tokens.job_token import JobTokens
from functions.heartbeat.handler import heartbeat
from functions.heartbeat.schema import Answer

PATH = "/v1/jobs/{jobId}/heartbeat"
OPERATION = Operation("POST", PATH, "Say that the training is alive", Heartbeat, Answer)


@dataclass(frozen=True)
class State:
    pool: asyncpg.Pool
    group: Group
    outbox: Outbox

    async def come_alive(self, job_id: UUID, attempt: int) -> None:
        event_ids = await life.come_alive(
            self.pool, job_id, attempt, source="heartbeat", now=_now()
        )
        self.outbox.send_soon(event_ids)


def create_app(environ: Mapping[str, str]) -> App:
    """The function as an ASGI application. Raises SettingsError."""
    database, broker, keys, beats = load(environ, Database, Broker, JobKeys, Beats)
    tokens = JobTokens(keys.ring)
    renew = partial(_renew, keys)
    interval = beats.interval.total_seconds()

    @asynccontextmanager
    async def lifespan() -> AsyncGenerator[State]:
        pool = await postgres.open_pool(database, keyed=True)
        publisher = Publisher(broker.url, token_file=broker.token_file)
        recorder = beat.Recorder(pool, _now)
        group = Group(recorder, rest=recorder.rest)
        state = State(pool, group, Outbox(pool, publisher.publish, _now))
        yield state
        await group.close()
        await state.outbox.close()
        await publisher.close()
        await postgres.close_pool(pool)

    async def receive(request: Request) -> bytes:
        now, state = _now(), request.state
        job_id, claims = callback.authenticate(request, tokens, now)
        content = await callback.read(request)
        answer = await heartbeat(
            callback.decode(content.body, Heartbeat),
            job_id=job_id,
            claims=claims,
            commit=state.group.add,
            come_alive=state.come_alive,
            renew=renew,
            interval=interval,
            now=now,
        )
        return _ANSWERED % msgspec.json.encode(answer)

    return App(
        [Route("POST", PATH, receive)],
        lifespan=lifespan,
        ready=lambda state: postgres.schema_is_ready(state.pool),
        openapi=lambda: openapi.document("heartbeat", [OPERATION]),
    )


async def main(request: Any) -> Any:
    """The functions framework's target."""
    return await target.hand_over(request, create_app)


_ANSWERED = b'{"status":"success","message":"OK","data":%b}'


def _now() -> datetime:
    return datetime.now(UTC)


def _renew(keys: JobKeys, job_id: UUID, attempt: int, now: datetime) -> str:
    return job_token.issue(keys.ring, str(job_id), attempt, now)
