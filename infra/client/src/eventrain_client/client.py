"""The user API, to wait for or to await. Every method is written once, as a flow (see `calls`).

    with Client() as eventrain:
        job = eventrain.jobs.submit({"jobType": "from_scratch", ...})

    async with AsyncClient() as eventrain:
        job = await eventrain.jobs.submit({"jobType": "from_scratch", ...})

Every call raises what `errors` draws. What is harmless to repeat is repeated where nobody answered
or was ready; a submit carries an Idempotency-Key for it.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Generic, Self

import httpx

from eventrain_client import files
from eventrain_client.admin import Admin
from eventrain_client.calls import D, call
from eventrain_client.catalog import Datasets, Models
from eventrain_client.connection import find_connection
from eventrain_client.drivers import Awaiting, Blocking
from eventrain_client.exchange import Exchange, Patience
from eventrain_client.flow import Flow
from eventrain_client.jobs import Jobs
from eventrain_client.people import Projects, Tokens
from eventrain_client.webhooks import Webhooks


@dataclass(frozen=True)
class Api(Generic[D]):
    """What lies below no noun."""

    exchange: Exchange
    driver: D

    @call
    def request(self, method: str, path: str, **options: Any) -> Flow[Any]:
        """The `data` of any call below /llm-ops/v1, with `params`, `json` or `headers`."""
        return self.exchange.ask(method, path, **options)

    @call
    def answer(self, path: str) -> Flow[httpx.Response]:
        """Whatever is answered to a GET, refusals too. Raises Unreachable."""
        return self.exchange.answer(path)

    @call
    def read(self, url: str) -> Flow[bytes]:
        """What lies at a presigned address, which is shown no token."""
        return files.read(url)

    @call
    def sha256_at(self, url: str) -> Flow[str]:
        """Its digest, or a word that says why there is none."""
        return files.sha256_at(url)


class Client:
    """Waits for every answer. Without an address and a token it takes those of the environment, else
    those that `eventrain up` wrote. Raises LocalFault where there are none."""

    def __init__(
        self,
        address: str | None = None,
        token: str | None = None,
        *,
        timeout: float = 60.0,
        patience: Patience | None = None,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        exchange = _exchange(address, token, patience)
        self._driver = Blocking(timeout, sleep, transport)
        self.address = exchange.address
        self.api = Api(exchange, self._driver)
        self.jobs = Jobs(exchange, self._driver)
        self.models = Models(exchange, self._driver)
        self.datasets = Datasets(exchange, self._driver)
        self.projects = Projects(exchange, self._driver)
        self.tokens = Tokens(exchange, self._driver)
        self.webhooks = Webhooks(exchange, self._driver)
        self.admin = Admin(exchange, self._driver)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._driver.close()


class AsyncClient:
    """The same to await; what a Client iterates over, `async for` does."""

    def __init__(
        self,
        address: str | None = None,
        token: str | None = None,
        *,
        timeout: float = 60.0,
        patience: Patience | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Any] = asyncio.sleep,
    ) -> None:
        exchange = _exchange(address, token, patience)
        self._driver = Awaiting(timeout, sleep, transport)
        self.address = exchange.address
        self.api = Api(exchange, self._driver)
        self.jobs = Jobs(exchange, self._driver)
        self.models = Models(exchange, self._driver)
        self.datasets = Datasets(exchange, self._driver)
        self.projects = Projects(exchange, self._driver)
        self.tokens = Tokens(exchange, self._driver)
        self.webhooks = Webhooks(exchange, self._driver)
        self.admin = Admin(exchange, self._driver)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._driver.close()


def _exchange(address: str | None, token: str | None, patience: Patience | None) -> Exchange:
    given = {"EVENTRAIN_ADDRESS": address, "EVENTRAIN_TOKEN": token}
    known = {**os.environ, **{name: value for name, value in given.items() if value}}
    connection = find_connection(known)
    return Exchange(connection.address, connection.token, patience or Patience())
