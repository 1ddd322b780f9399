"""A client of event streams as a browser is one: it reads, and comes back with what it had."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx


@dataclass(frozen=True)
class Told:
    """One event of a stream."""

    event: str
    data: Any
    id: str | None = None


@asynccontextmanager
async def opened(
    http: httpx.AsyncClient, path: str, *, last: str | None = None, **headers: str
) -> AsyncGenerator[httpx.Response]:
    if last is not None:
        headers["last-event-id"] = last
    async with http.stream("GET", path, headers=headers) as answer:
        yield answer


async def events(answer: httpx.Response) -> AsyncGenerator[Told]:
    """Until the stream ends."""
    fields: dict[str, str] = {}
    async for line in answer.aiter_lines():
        name, _, value = line.partition(": ")
        if line:
            fields[name] = value
            continue
        if "data" in fields:
            yield Told(fields["event"], json.loads(fields["data"]), fields.get("id"))
        fields = {}
