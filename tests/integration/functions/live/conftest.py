"""The live function on a socket, with a database of its own."""

from collections.abc import AsyncIterator

import httpx
import pytest_asyncio

from functions.live.app import create_app
from tests.asgi import listening


@pytest_asyncio.fixture
async def http(environ: dict[str, str]) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        listening(create_app(environ)) as address,
        httpx.AsyncClient(base_url=address, timeout=60) as client,
    ):
        yield client
