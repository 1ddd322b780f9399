"""What the control plane has yet to hear of a program's runs, beside the metrics of its main one.

State waits as what is now true and not as what was said: where nobody answers for an hour, a tag
that was set a thousand times waits once. Only metrics of further runs are bounded and lose their
oldest. What is handed on is the courier's, which delivers it in order and once.
"""

import json
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

from eventrain_trainer.metric import on_wire
from eventrain_trainer.text import clean

OPS_AN_EVENT = 100
BYTES_AN_EVENT = 200_000
KEYS_AN_OP = 100
BYTES_AN_OP = 50_000
METRICS_AN_OP = 500
MOST_METRICS = 100_000
AT_ONCE = 2
INTERVAL = 0.5
LONGEST_TEXT = 64 * 1024

Op = dict[str, Any]
Slot = tuple[str, ...]


class Measured(NamedTuple):
    run: str
    key: str
    value: float
    timestamp: int
    step: int


class Telling:
    """`tell` takes the ops of one event; `waiting` says how many of these nobody has heard."""

    def __init__(self, tell: Callable[[Sequence[Op]], None], waiting: Callable[[], int]) -> None:
        self._tell, self._waiting = tell, waiting
        self._lock = threading.Lock()
        self._state: dict[Slot, Op] = {}
        self._metrics: deque[Measured] = deque(maxlen=MOST_METRICS)
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def say(self, op: str, of: str, **said: Any) -> None:
        """One thing that happened once, or replaces what was said of it before."""
        named = {"model": of} if op.startswith("model") else {"run": of}
        with self._lock:
            self._state.pop((op, of), None)
            self._state[op, of] = {"op": op, **named, **said}
            self._wake()

    def merge(self, op: str, of: str, values: Mapping[str, str], noun: str = "") -> None:
        """Tags or parameters, which add up; what was taken away and is set again stays."""
        if not values:
            return
        noun = noun or op.removeprefix("model_")
        named = "model" if op.startswith("model") else "run"
        with self._lock:
            for key in values:
                self._state.pop((f"un{op}", of, key), None)
            found = self._state.setdefault((op, of), {"op": op, named: of})
            found[noun] = {**found.get(noun, {}), **values}
            self._wake()

    def untag(self, run: str, key: str) -> None:
        with self._lock:
            if set_before := self._state.get(("tags", run)):
                set_before["tags"].pop(key, None)
            self._state["untags", run, key] = {"op": "untag", "run": run, "key": key}
            self._wake()

    def extend(self, op: str, run: str, **lists: Sequence[Any]) -> None:
        """Inputs or outputs, which add up."""
        with self._lock:
            empty: Op = {"op": op, "run": run}
            found = self._state.setdefault((op, run), empty)
            for name, values in lists.items():
                found[name] = [*found.get(name, ()), *values]
            self._wake()

    def measure(self, run: str, key: str, value: float, timestamp: int, step: int) -> None:
        with self._lock:
            self._metrics.append(Measured(run, key, value, timestamp, step))
            self._wake()

    def close(self) -> None:
        """Hands on all that is left."""
        self._closed.set()
        if self._thread is not None:
            self._thread.join()
        self._hand_on(at_once=None)

    def _wake(self) -> None:
        if self._thread is None and not self._closed.is_set():
            self._thread = threading.Thread(target=self._run, name="eventrain-relay", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while not self._closed.wait(INTERVAL):
            self._hand_on(AT_ONCE)

    def _hand_on(self, at_once: int | None) -> None:
        while at_once is None or self._waiting() < at_once:
            ops = self._compose()
            if not ops:
                return
            self._tell(ops)

    def _compose(self) -> list[Op]:
        ops: list[Op] = []
        size = 0
        with self._lock:
            while len(ops) < OPS_AN_EVENT and size < BYTES_AN_EVENT:
                op = self._next_state() or self._next_metrics()
                if op is None:
                    break
                ops.append(op)
                size += len(json.dumps(op))
        return ops

    def _next_state(self) -> Op | None:
        if not self._state:
            return None
        slot = next(iter(self._state))
        op, rest = _cut(self._state.pop(slot))
        if rest:
            self._state = {slot: rest, **self._state}
        return _presentable(op)

    def _next_metrics(self) -> Op | None:
        if not self._metrics:
            return None
        run = self._metrics[0].run
        told: list[list[Any]] = []
        while self._metrics and self._metrics[0].run == run and len(told) < METRICS_AN_OP:
            _, key, value, timestamp, step = self._metrics.popleft()
            told.append([clean(key), on_wire(value), timestamp, step])
        return {"op": "metrics", "run": run, "metrics": told}


def _cut(op: Op) -> tuple[Op, Op | None]:
    """What goes into one op, and what is left of it."""
    for name, values in op.items():
        if _adds_up(values) and (room := _room(values)) < len(values):
            first = {key: type(each)() if _adds_up(each) else each for key, each in op.items()}
            first[name] = _slice(values, 0, room)
            return first, {**op, name: _slice(values, room, None)}
    return op, None


def _room(values: Any) -> int:
    size, count = 0, 0
    for each in values.items() if isinstance(values, dict) else values:
        size += len(json.dumps(each))
        if count and (size > BYTES_AN_OP or count == KEYS_AN_OP):
            break
        count += 1
    return count


def _slice(values: Any, first: int, last: int | None) -> Any:
    if isinstance(values, dict):
        return dict(islice(values.items(), first, last))
    return values[first:last]


def _adds_up(value: Any) -> bool:
    return isinstance(value, dict | list)


def _presentable(value: Any) -> Any:
    """Text that Postgres takes, bounded."""
    if isinstance(value, str):
        return clean(value, LONGEST_TEXT)
    if isinstance(value, dict):
        items: dict[str, Any] = value
        return {clean(key, 500): _presentable(each) for key, each in items.items()}
    if isinstance(value, list):
        listed: list[Any] = value
        return [_presentable(each) for each in listed]
    return value
