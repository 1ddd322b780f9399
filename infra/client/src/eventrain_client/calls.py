"""Methods that are written as flows, and run as their owner's driver runs them.

    class Jobs(Generic[D]):
        exchange: Exchange
        driver: D

        @call
        def get(self, job_id: str) -> Flow[Job]: ...

is `get(job_id) -> Job` of a Client and `get(job_id) -> Coroutine[..., Job]` of an AsyncClient.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from functools import wraps
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, Self, TypeVar, overload

from eventrain_client.drivers import Awaiting, Blocking
from eventrain_client.flow import Course, Flow

P = ParamSpec("P")
T = TypeVar("T")
D = TypeVar("D", Blocking, Awaiting)


class Waits(Protocol):
    @property
    def driver(self) -> Blocking: ...


class Awaits(Protocol):
    @property
    def driver(self) -> Awaiting: ...


class call(Generic[P, T]):
    """One result."""

    def __init__(self, flow: Callable[Concatenate[Any, P], Flow[T]]) -> None:
        self._flow = flow
        self.__doc__ = flow.__doc__

    @overload
    def __get__(self, owner: None, kind: type) -> Self: ...
    @overload
    def __get__(self, owner: Waits, kind: type) -> Callable[P, T]: ...
    @overload
    def __get__(self, owner: Awaits, kind: type) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, owner: Any, kind: type) -> Any:
        if owner is None:
            return self

        @wraps(self._flow)
        def run(*args: P.args, **kwargs: P.kwargs) -> Any:
            return owner.driver.run(self._flow(owner, *args, **kwargs))

        return run


class course(Generic[P, T]):
    """One after the other."""

    def __init__(self, flow: Callable[Concatenate[Any, P], Course[T]]) -> None:
        self._flow = flow
        self.__doc__ = flow.__doc__

    @overload
    def __get__(self, owner: None, kind: type) -> Self: ...
    @overload
    def __get__(self, owner: Waits, kind: type) -> Callable[P, Iterator[T]]: ...
    @overload
    def __get__(self, owner: Awaits, kind: type) -> Callable[P, AsyncIterator[T]]: ...
    def __get__(self, owner: Any, kind: type) -> Any:
        if owner is None:
            return self

        @wraps(self._flow)
        def run(*args: P.args, **kwargs: P.kwargs) -> Any:
            return owner.driver.each(self._flow(owner, *args, **kwargs))

        return run
