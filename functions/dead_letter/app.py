"""Wires the dead-letter function, the broker's last resort."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from fastapi import FastAPI

from common import web
from common.events import Event
from common.settings import Storage
from common.storage.objects import Objects, open_objects
from functions.dead_letter.handler import dead_letter


def create_app(environ: Mapping[str, str]) -> FastAPI:
    """The function as an ASGI application. Raises SettingsError."""
    storage = Storage.from_environ(environ)

    @asynccontextmanager
    async def lifespan() -> AsyncGenerator[Objects]:
        async with open_objects(storage) as objects:
            yield objects

    return web.build_app(title="dead-letter", lifespan=lifespan, ready=_is_ready, consumes=_receive)


async def main(request: Any) -> Any:
    """The functions framework's target."""
    return request.app.state.function


async def _is_ready(objects: Objects) -> bool:
    return True


async def _receive(event: Event, objects: Objects) -> None:
    await dead_letter(event, objects=objects, now=lambda: datetime.now(UTC))
