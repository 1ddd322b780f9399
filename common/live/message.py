"""The messages of a stream, and how they look on the wire."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from common import envelope
from common.live.place import Place

PULSE = b":\n\n"


class Message(NamedTuple):
    """Something to tell. Where it has a number, whoever is past that was told before."""

    event: str
    data: bytes
    change: int | None = None
    report: int | None = None
    beat: tuple[int, int] | None = None

    def move(self, place: Place) -> Place | None:
        """The place of a watcher once it has this; None where it has it already."""
        if self.change is not None:
            return place._replace(change=self.change) if self.change > place.change else None
        if self.report is not None:
            return place._replace(report=self.report) if self.report > place.report else None
        if self.beat is None:
            return place
        if self.beat <= (place.attempt, place.beat):
            return None
        return place._replace(attempt=self.beat[0], beat=self.beat[1])


def tell(event: str, data: Mapping[str, Any], **number: Any) -> Message:
    """A message of these data."""
    return Message(event, envelope.encode(data), **number)


def frame(message: Message, place: Place | None = None) -> bytes:
    """A message as a server-sent event."""
    id_line = b"" if place is None else b"id: %s\n" % str(place).encode()
    return b"%sevent: %s\ndata: %s\n\n" % (id_line, message.event.encode(), message.data)


def retry(milliseconds: int) -> bytes:
    """How long a client waits before it comes back."""
    return b"retry: %d\n\n" % milliseconds
