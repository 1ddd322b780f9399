"""The two that carry flows out: `Blocking` waits, `Awaiting` awaits. All else is said once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from typing import Any, TypeVar

import httpx

from eventrain_client.errors import EventrainError
from eventrain_client.flow import (
    Close,
    Course,
    Flow,
    Item,
    Next,
    Open,
    Opened,
    Outcome,
    Read,
    Send,
    Sleep,
    Step,
    Work,
)

T = TypeVar("T")

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
CONNECT = 5.0
# What a flow may make something of; anything else is a mistake, and ends it.
FORESEEN = (httpx.HTTPError, OSError, EventrainError)


def options_for(url: httpx.URL) -> tuple[bool, bool]:
    """Whether the environment's proxy is used, and whether certificates are needed."""
    return url.host not in LOOPBACK, url.scheme == "https"


class Blocking:
    def __init__(
        self,
        timeout: float,
        sleep: Callable[[float], object],
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._timeout = httpx.Timeout(timeout, connect=min(timeout, CONNECT))
        self._sleep = sleep
        self._transport = transport
        self._clients: dict[tuple[bool, bool], httpx.Client] = {}

    def run(self, flow: Flow[T]) -> T:
        opened: list[Opened] = []
        outcome = Outcome()
        try:
            while True:
                outcome = self._try(outcome.hand_to(flow), opened)
        except StopIteration as end:
            return end.value
        finally:
            self._close_all(opened)

    def each(self, course: Course[T]) -> Iterator[T]:
        opened: list[Opened] = []
        outcome = Outcome()
        try:
            while True:
                try:
                    step = outcome.hand_to(course)
                except StopIteration:
                    return
                if isinstance(step, Item):
                    yield step.value
                    outcome = Outcome()
                else:
                    outcome = self._try(step, opened)
        finally:
            self._close_all(opened)

    def close(self) -> None:
        for client in self._clients.values():
            client.close()

    def _try(self, step: Step, opened: list[Opened]) -> Outcome:
        try:
            return Outcome(self._do(step, opened))
        except FORESEEN as error:
            return Outcome(error=error)

    def _do(self, step: Step, opened: list[Opened]) -> Any:
        match step:
            case Send(request):
                return self._client(request.url).send(request)
            case Open(request, lines):
                response = self._client(request.url).send(request, stream=True)
                parts = response.iter_lines() if lines else response.iter_bytes(1 << 20)
                opened.append(Opened(response, parts))
                return opened[-1]
            case Next(of):
                return next(of.parts, None)
            case Read(of):
                return of.response.read()
            case Close(of):
                opened.remove(of)
                return of.response.close()
            case Sleep(seconds):
                return self._sleep(seconds)
            case Work(work):
                return work()

    def _client(self, url: httpx.URL) -> httpx.Client:
        options = options_for(url)
        if options not in self._clients:
            environ, verify = options
            self._clients[options] = httpx.Client(
                timeout=self._timeout, trust_env=environ, verify=verify, transport=self._transport
            )
        return self._clients[options]

    def _close_all(self, opened: list[Opened]) -> None:
        for each in opened:
            with suppress(httpx.HTTPError):
                each.response.close()


class Awaiting:
    def __init__(
        self,
        timeout: float,
        sleep: Callable[[float], Any],
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._timeout = httpx.Timeout(timeout, connect=min(timeout, CONNECT))
        self._sleep = sleep
        self._transport = transport
        self._clients: dict[tuple[bool, bool], httpx.AsyncClient] = {}

    async def run(self, flow: Flow[T]) -> T:
        opened: list[Opened] = []
        outcome = Outcome()
        try:
            while True:
                try:
                    step = outcome.hand_to(flow)
                except StopIteration as end:
                    return end.value
                outcome = await self._try(step, opened)
        finally:
            await self._close_all(opened)

    async def each(self, course: Course[T]) -> AsyncIterator[T]:
        opened: list[Opened] = []
        outcome = Outcome()
        try:
            while True:
                try:
                    step = outcome.hand_to(course)
                except StopIteration:
                    return
                if isinstance(step, Item):
                    yield step.value
                    outcome = Outcome()
                else:
                    outcome = await self._try(step, opened)
        finally:
            await self._close_all(opened)

    async def close(self) -> None:
        for client in self._clients.values():
            await client.aclose()

    async def _try(self, step: Step, opened: list[Opened]) -> Outcome:
        try:
            return Outcome(await self._do(step, opened))
        except FORESEEN as error:
            return Outcome(error=error)

    async def _do(self, step: Step, opened: list[Opened]) -> Any:
        match step:
            case Send(request):
                return await self._client(request.url).send(request)
            case Open(request, lines):
                response = await self._client(request.url).send(request, stream=True)
                parts = response.aiter_lines() if lines else response.aiter_bytes(1 << 20)
                opened.append(Opened(response, parts))
                return opened[-1]
            case Next(of):
                return await anext(of.parts, None)
            case Read(of):
                return await of.response.aread()
            case Close(of):
                opened.remove(of)
                return await of.response.aclose()
            case Sleep(seconds):
                return await self._sleep(seconds)
            case Work(work):
                from anyio.to_thread import run_sync

                return await run_sync(work)

    def _client(self, url: httpx.URL) -> httpx.AsyncClient:
        options = options_for(url)
        if options not in self._clients:
            environ, verify = options
            self._clients[options] = httpx.AsyncClient(
                timeout=self._timeout, trust_env=environ, verify=verify, transport=self._transport
            )
        return self._clients[options]

    async def _close_all(self, opened: list[Opened]) -> None:
        for each in opened:
            with suppress(httpx.HTTPError):
                await each.response.aclose()
