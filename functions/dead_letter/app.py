"""Wires the dead-letter function: the broker's last resort, and what an administrator does then."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, FastAPI, Response

from common import events, target, web
from common.access.gate import open_gate
from common.access.settings import Access
from common.events import Event, Publisher
from common.letter import Letters
from common.settings import Broker, Storage, load
from common.storage.objects import open_objects
from functions.dead_letter import schema
from functions.dead_letter.handler import dead_letter, list_letters, replay_letter, show_letter

LETTERS = "/llm-ops/v1/admin/dead-letters"
LETTER = LETTERS + "/{letterId}"


@dataclass(frozen=True)
class State:
    letters: Letters
    publisher: Publisher


def create_app(environ: Mapping[str, str]) -> FastAPI:
    """The function as an ASGI application. Raises SettingsError."""
    storage, broker, access = load(environ, Storage, Broker, Access)

    @asynccontextmanager
    async def lifespan() -> AsyncGenerator[State]:
        publisher = Publisher(broker.url, token_file=broker.token_file)
        async with open_objects(storage) as objects:
            yield State(Letters(objects), publisher)
        await publisher.close()

    return web.build_app(
        title="dead-letter",
        lifespan=lifespan,
        ready=_is_ready,
        routers=[_routes()],
        gate=lambda: open_gate(access),
        consumes=_receive,
        reads=events.salvage,
    )


def _routes() -> APIRouter:
    routes = web.router()

    @routes.get(
        LETTERS, response_model=web.Success[schema.DeadLetters], summary="List dead letters"
    )
    async def page(
        deps: web.Deps, user: web.Caller, limit: schema.Limit = 50, cursor: schema.Cursor = None
    ) -> Response:
        state: State = deps
        return web.ok(await list_letters(user, limit=limit, after=cursor, letters=state.letters))

    @routes.get(LETTER, response_model=web.Success[schema.DeadLetter], summary="Show a dead letter")
    async def one(deps: web.Deps, user: web.Caller, letter_id: schema.LetterId) -> Response:
        state: State = deps
        return web.ok(await show_letter(user, letter_id, letters=state.letters))

    @routes.post(
        f"{LETTER}/replay",
        response_model=web.Success[schema.DeadLetter],
        summary="Give a dead letter's event to the broker again",
    )
    async def replay(deps: web.Deps, user: web.Caller, letter_id: schema.LetterId) -> Response:
        state: State = deps
        publish = state.publisher.publish
        shown = await replay_letter(
            user, letter_id, letters=state.letters, publish=publish, now=_now
        )
        return web.ok(shown, "Sent again")

    return routes


async def main(request: Any) -> Any:
    """The functions framework's target."""
    return await target.hand_over(request, create_app)


async def _is_ready(state: State) -> bool:
    return True


async def _receive(event: Event, state: State) -> None:
    await dead_letter(event, letters=state.letters, now=_now)


def _now() -> datetime:
    return datetime.now(UTC)
