"""Delivers events in order, state before telemetry, each under one id however often it is sent."""

import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from eventrain_trainer.callbacks import Callbacks, Verdict
from eventrain_trainer.metric import timestamp
from eventrain_trainer.patience import Backoff, Deadline

CHECKPOINT = "checkpoint_saved"
EVENT_OVERHEAD = 200


@dataclass(frozen=True, slots=True)
class Event:
    id: str
    type: str
    payload: Mapping[str, Any]
    occurred_at: str
    bytes: int = 0
    kept: bool = False
    """Whether it is state, which is never dropped."""

    def body(self) -> dict[str, Any]:
        return {"type": self.type, "payload": self.payload, "occurredAt": self.occurred_at}


class Courier:
    """Holds every event of state; all others only up to a bound, oldest first out.

    `before_checkpoint` is called before a checkpoint's event is sent: an attempt that resumes from
    it finds told what was measured before it."""

    def __init__(
        self,
        *,
        callbacks: Callbacks,
        url: str,
        limit_bytes: int,
        say: Callable[[str], None],
        before_checkpoint: Callable[[], object] = lambda: None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._callbacks, self._url, self._limit = callbacks, url, limit_bytes
        self._say, self._before_checkpoint, self._now = say, before_checkpoint, now
        self._origin = uuid.uuid4().hex
        self._count = 0
        self._state: deque[Event] = deque()
        self._telemetry: deque[Event] = deque()
        self._bytes = 0
        self._changed = threading.Condition()
        self._never = Deadline()
        self._thread: threading.Thread | None = None
        self.dropped = 0

    def open(self) -> None:
        self._thread = threading.Thread(target=self._run, name="eventrain-events", daemon=True)
        self._thread.start()

    def put(
        self, kind: str, payload: Mapping[str, Any], weight: int = 0, *, kept: bool = False
    ) -> None:
        kept = kept or kind == CHECKPOINT
        weight = weight or (0 if kept else EVENT_OVERHEAD + len(repr(payload)))
        with self._changed:
            self._count += 1
            name, now = f"{self._origin}-{self._count}", timestamp(self._now())
            event = Event(name, kind, payload, now, weight, kept)
            if kept:
                self._state.append(event)
            else:
                self._telemetry.append(event)
                self._bytes += weight
                self._bound()
            self._changed.notify_all()

    def close(self, deadline: Deadline) -> None:
        """Waits until all is delivered, nobody wants it, or time is over."""
        with self._changed:
            while self._waiting() and not self._callbacks.stale and not deadline.over:
                self._changed.wait(min(1.0, max(0.0, deadline.left)))
        self._never.within(0)

    def waiting(self, kind: str) -> int:
        """How many events of state of a kind are still to be delivered."""
        with self._changed:
            return sum(event.type == kind for event in self._state)

    def left_over(self) -> list[Event]:
        with self._changed:
            return [*self._state, *self._telemetry]

    def _run(self) -> None:
        backoff = Backoff(0.5, 30.0)
        while not self._callbacks.stale and not self._never.over:
            event = self._next()
            if event is None:
                continue
            if event.type == CHECKPOINT:
                self._before_checkpoint()
            reply = self._callbacks.post(self._url, event.body(), event_id=event.id)
            if reply.verdict is Verdict.LATER:
                self._never.pause(backoff.next(reply.retry_after))
                continue
            backoff.reset()
            if reply.verdict is Verdict.REFUSED:
                self._say(f"the control plane refused an event of type {event.type}: {reply}")
            self._done_with(event)

    def _next(self) -> Event | None:
        with self._changed:
            if not self._waiting():
                self._changed.wait(1.0)
            queue = self._state or self._telemetry
            return queue[0] if queue else None

    def _done_with(self, event: Event) -> None:
        with self._changed:
            if self._state and self._state[0] is event:
                self._state.popleft()
            elif self._telemetry and self._telemetry[0] is event:
                self._telemetry.popleft()
                self._bytes -= event.bytes
            self._changed.notify_all()

    def _waiting(self) -> bool:
        return bool(self._state or self._telemetry)

    def _bound(self) -> None:
        while self._bytes > self._limit and len(self._telemetry) > 1:
            self._bytes -= self._telemetry.popleft().bytes
            self.dropped += 1
