"""Wires the live function: streams of server-sent events, of a job or of a list of them."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from common import openapi, postgres, target
from common.access.gate import open_gate
from common.access.settings import Access
from common.asgi import App, Request, Route, Stream
from common.errors import NotFound
from common.jobs import permission
from common.live.jobs import WatchedJobs
from common.live.lists import WatchedLists
from common.live.stream import Streams
from common.query import read
from common.settings import Beats, Database, Streaming, load
from common.tokens import stream_token
from common.tokens.user_token import UserTokens
from functions.live.handler import Live
from functions.live.schema import (
    JOB_LIVE,
    LIVE,
    OPERATIONS,
    TOKEN,
    JobQuery,
    ListQuery,
    Ticket,
)

EVENT_STREAM = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    # nginx collects answers otherwise, until they are worth sending.
    (b"x-accel-buffering", b"no"),
)


def create_app(environ: Mapping[str, str]) -> App:
    """The function as an ASGI application. Raises SettingsError."""
    database, beats, access, streaming = load(environ, Database, Beats, Access, Streaming)
    tickets = UserTokens(access.ring, audience=stream_token.AUDIENCE)

    @asynccontextmanager
    async def lifespan() -> AsyncGenerator[Live]:
        pool = await postgres.open_pool(database)
        jobs = WatchedJobs(pool, beats.interval, _now)
        lists = WatchedLists(pool, beats.interval, _now)
        streams = Streams(jobs, lists, streaming.lasting, _now)
        async with open_gate(access) as gate:
            yield Live(streams, gate, tickets, access.ring, _now)
        await streams.close()
        await postgres.close_pool(pool)

    return App(
        [
            Route("POST", TOKEN, _issue),
            Route("GET", LIVE, _watch_list),
            Route("GET", JOB_LIVE, _watch_job),
        ],
        lifespan=lifespan,
        ready=lambda state: postgres.schema_is_ready(state.streams.jobs.pool),
        openapi=lambda: openapi.document("live", OPERATIONS),
        drain=lambda state: state.streams.drain(),
    )


async def _issue(request: Request) -> Ticket:
    live: Live = request.state
    return live.issue(await live.identify(request))


async def _watch_list(request: Request) -> Stream:
    live: Live = request.state
    query = read(request.query, ListQuery)
    caller = await live.identify(request, query.token)
    return Stream(EVENT_STREAM, await live.watch_list(caller, query))


async def _watch_job(request: Request) -> Stream:
    live: Live = request.state
    query = read(request.query, JobQuery)
    caller = await live.identify(request, query.token)
    last = request.header(b"last-event-id") or query.last_event_id
    return Stream(EVENT_STREAM, await live.watch_job(caller, _job_id(request.param), last))


def _job_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise NotFound(permission.NO_JOB) from None


async def main(request: Any) -> Any:
    """The functions framework's target."""
    return await target.hand_over(request, create_app)


def _now() -> datetime:
    return datetime.now(UTC)
