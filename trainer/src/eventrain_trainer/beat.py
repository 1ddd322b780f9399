"""The beat: a thread that speaks for the job whatever the training loop does."""

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from eventrain_trainer.callbacks import Callbacks, Reply, Verdict
from eventrain_trainer.metric import on_wire, point_on_wire
from eventrain_trainer.patience import Backoff, Deadline, with_breaks
from eventrain_trainer.spool import Spool

POINTS_A_BEAT = 1000
# How long a checkpoint's event waits for the points before it; after that it goes first.
LONGEST_FLUSH = 10.0
LONGEST_INTERVAL = 300.0


@dataclass
class Beat:
    """Sends the latest values and the points since, each interval.

    A beat whose fate is unknown is sent again as it was, with its own sequence: history ignores
    the repeat, and nothing is counted twice.
    """

    spool: Spool
    callbacks: Callbacks
    url: str
    interval: float
    on_command: Callable[[str], None]
    trace_id: str = ""
    _sequence: int = field(default=0, init=False)
    _unheard: dict[str, Any] | None = field(default=None, init=False)
    _heard: int = field(default=0, init=False)
    _hearing: threading.Condition = field(default_factory=threading.Condition, init=False)
    _closing: bool = field(default=False, init=False)
    _last_word_said: bool = field(default=False, init=False)
    _wake: threading.Event = field(default_factory=threading.Event, init=False)
    _thread: threading.Thread | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._backoff = Backoff(min(1.0, self.interval), max(30.0, self.interval))

    def open(self) -> None:
        self._thread = threading.Thread(target=self._run, name="eventrain-beat", daemon=True)
        self._thread.start()

    def close(self, deadline: Deadline) -> None:
        """Ends the thread, then delivers what is left until nobody answers or time is over."""
        self._closing = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(max(0.0, min(deadline.left, threading.TIMEOUT_MAX)))
            if self._thread.is_alive():
                return
        backoff = Backoff(0.5, 5.0)
        while self._unheard or len(self.spool) or not self._last_word_said:
            reply = self.beat()
            if reply.verdict is Verdict.STALE:
                return
            if reply.verdict is Verdict.LATER and not deadline.pause(
                backoff.next(reply.retry_after)
            ):
                return

    def flush(self, seconds: float = LONGEST_FLUSH) -> bool:
        """Beats at once and waits until what was spooled so far is heard, or time is over."""
        beats = -(-len(self.spool) // POINTS_A_BEAT)
        with self._hearing:
            wanted = self._sequence + beats
            if self._heard >= wanted:
                return True
            self._wake.set()
            return self._hearing.wait_for(
                lambda: self._heard >= wanted or self._closing or self.callbacks.stale, seconds
            )

    def beat(self) -> Reply:
        """One try. What is refused for good is let go, so that it cannot block what follows."""
        if self._unheard is None:
            self._unheard = self._compose()
            self._last_word_said = self._closing
        reply = self.callbacks.post(self.url, self._unheard)
        if reply.verdict in (Verdict.OK, Verdict.REFUSED):
            self._hear(self._unheard["sequence"])
        if reply.verdict is Verdict.OK:
            self._obey(reply)
        return reply

    def left_over(self) -> list[dict[str, Any]]:
        """The bodies that nobody has heard, for the result in S3."""
        bodies = [self._unheard] if self._unheard else []
        self._unheard = None
        while len(self.spool):
            bodies.append(self._compose())
        return bodies

    def _hear(self, sequence: int) -> None:
        with self._hearing:
            self._unheard = None
            self._heard = sequence
            self._hearing.notify_all()

    def _run(self) -> None:
        while not self._closing:
            self._wake.wait(self._wait_after(self.beat()))
            if not self._closing:
                self._wake.clear()

    def _wait_after(self, reply: Reply) -> float | None:
        match reply.verdict:
            case Verdict.LATER:
                return self._backoff.next(reply.retry_after)
            case Verdict.STALE:
                self._closing = True
                self.on_command("stale")
                return 0
            case _:
                self._backoff.reset()
                return 0 if len(self.spool) >= POINTS_A_BEAT else self.interval

    def _compose(self) -> dict[str, Any]:
        self._sequence += 1
        body: dict[str, Any] = {"sequence": self._sequence, **self.spool.latest()}
        if "progress" not in body and (progress := _progress(body)) is not None:
            body["progress"] = progress
        metrics = self.spool.metrics()
        if metrics:
            body["metrics"] = {name: on_wire(value) for name, value in metrics.items()}
        if points := self.spool.take(POINTS_A_BEAT):
            body["points"] = [point_on_wire(point) for point in with_breaks(points)]
        if self.trace_id:
            body["trace_id"] = self.trace_id
        return body

    def _obey(self, reply: Reply) -> None:
        wished = reply.data.get("intervalSeconds")
        if isinstance(wished, int | float) and math.isfinite(wished) and wished > 0:
            self.interval = min(float(wished), LONGEST_INTERVAL)
        command = reply.data.get("command")
        if command in ("stop", "checkpoint_and_stop"):
            self.on_command(command)


def _progress(body: dict[str, Any]) -> float | None:
    for done, total in (("step", "totalSteps"), ("epoch", "totalEpochs")):
        if body.get(total) and body.get(done) is not None:
            return max(0.0, min(1.0, body[done] / body[total]))
    return None
