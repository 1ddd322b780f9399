"""What a call does, said once for who waits and for who awaits.

A flow is a generator that does nothing itself: it yields steps, is sent what each came to, and
returns its result. A course tells items on its way. What goes wrong in a step is raised where it
was yielded. A driver carries the steps out (see `drivers`).
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Send:
    """Comes to the response, read to its end."""

    request: httpx.Request


@dataclass(frozen=True, slots=True)
class Open:
    """Comes to an Opened, of which nothing is read yet. `lines` says whether it will be read by
    lines or by pieces of bytes."""

    request: httpx.Request
    lines: bool


@dataclass(frozen=True, slots=True)
class Opened:
    response: httpx.Response
    parts: Any


@dataclass(frozen=True, slots=True)
class Next:
    """Comes to the next line or piece, None at the end."""

    of: Opened


@dataclass(frozen=True, slots=True)
class Read:
    """Comes to nothing; the opened response can be looked into afterwards."""

    of: Opened


@dataclass(frozen=True, slots=True)
class Close:
    of: Opened


@dataclass(frozen=True, slots=True)
class Sleep:
    seconds: float


@dataclass(frozen=True, slots=True)
class Work:
    """Something that takes its time on this machine; comes to what it answers."""

    work: Callable[[], Any]


Step = Send | Open | Next | Read | Close | Sleep | Work


@dataclass(frozen=True, slots=True)
class Item(Generic[T]):
    value: T


Flow = Generator[Step, Any, T]
Course = Generator[Step | Item[T], Any, None]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a step came to."""

    value: Any = None
    error: Exception | None = None

    def hand_to(self, flow: Generator[Any, Any, Any]) -> Any:
        """The flow's next step. Raises StopIteration with its result, and what it raises."""
        return flow.send(self.value) if self.error is None else flow.throw(self.error)


def work(deed: Callable[[], T]) -> Flow[T]:
    return (yield Work(deed))
