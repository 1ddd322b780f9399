"""Where to write and read for the next hour: presigned addresses, asked for when they are needed."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from eventrain_trainer.callbacks import Callbacks, Verdict
from eventrain_trainer.wire import Unreachable

MOST_AT_ONCE = 100


class TransferError(ConnectionError):
    """A file could not be fetched or stored; another attempt may fare better."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Asks the control plane, one try a call."""

    callbacks: Callbacks
    url: str

    def put(self, wanted: Mapping[str, Any]) -> Mapping[str, Any]:
        """For one object, or its parts. Raises Unreachable, TransferError."""
        return self._ask({"puts": [wanted], "gets": []})["puts"][0]

    def get(self, uris: Sequence[str]) -> list[Mapping[str, Any]]:
        """For some objects or prefixes, at most MOST_AT_ONCE. Raises Unreachable, TransferError."""
        return self._ask({"puts": [], "gets": list(uris)})["gets"]

    def _ask(self, wanted: Mapping[str, Any]) -> Mapping[str, Any]:
        reply = self.callbacks.post(self.url, wanted)
        match reply.verdict:
            case Verdict.OK:
                return reply.data
            case Verdict.LATER:
                raise Unreachable(reply.message)
            case Verdict.STALE:
                raise TransferError("a newer attempt of this job runs")
            case Verdict.REFUSED:
                raise TransferError(f"no address was given: {reply.message}")


@dataclass
class Granted:
    """An object that may be read, with what is known of it. Several threads share its address,
    and whoever is refused first gets a new one for all."""

    addresses: Addresses
    uri: str
    found: Mapping[str, Any]
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return self.found["url"]

    @property
    def sha256(self) -> str | None:
        return self.found.get("sha256")

    @property
    def size(self) -> int | None:
        return self.found.get("size")

    @property
    def scope(self) -> str | None:
        """Within which what has no digest may be shared."""
        return self.found.get("scope")

    def renew(self, refused: str) -> None:
        """Raises Unreachable, TransferError."""
        with self._lock:
            if self.url == refused:
                [fresh] = self.addresses.get([self.uri])
                self.found = {**self.found, **fresh}
