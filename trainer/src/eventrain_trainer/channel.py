"""The script's end of the socket to its runner: JSON lines.

Points are sent by the very call that measured them, as far as the socket takes them at once: a
thread that takes the interpreter from a training gives it back when the system lets it, which on
a full machine is milliseconds later. The thread that there is sends what is left, and all that
has to wait.
"""

import json
import os
import signal
import socket
import threading
import time
from binascii import b2a_base64
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from eventrain_trainer.addresses import TransferError
from eventrain_trainer.metric import Point
from eventrain_trainer.patience import BREATH
from eventrain_trainer.port import End, Saved, Source
from eventrain_trainer.spool import Spool

SPOOL_BYTES = 8 * 1024 * 1024
# What nobody waits for: heartbeats are seconds apart.
SEND_EVERY = 1.0
REST = 0.1
REST_IN_HASTE = 0.02
STRETCHES_A_LINE = 16
CLOSE_WAIT = 5.0


class Channel:
    """A Port that hands everything to the runner, which alone speaks for the job."""

    def __init__(self, path: str) -> None:
        self.stop = ""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.connect(path)
        self._spool = Spool(SPOOL_BYTES)
        self._said: dict[str, Any] = {}
        self._messages: deque[dict[str, Any]] = deque()
        self._sending = threading.Lock()
        self._unsent = b""
        self._rests_until = 0.0
        self._wake = threading.Event()
        self._answers: dict[int, dict[str, Any]] = {}
        self._answered = threading.Condition()
        self._calls = 0
        self._gone = False
        os.register_at_fork(after_in_child=self._fall_silent)
        for work in (self._send_forever, self._read_forever):
            threading.Thread(target=work, name=f"eventrain{work.__name__}", daemon=True).start()

    def observe(self, latest: Mapping[str, Any], points: Sequence[Point]) -> None:
        self._spool.observe(latest, points)
        if time.monotonic() >= self._rests_until and self._sending.acquire(blocking=False):
            try:
                self._send_some()
            finally:
                self._sending.release()

    def event(self, kind: str, payload: Mapping[str, Any]) -> None:
        self._post({"do": "event", "kind": kind, "payload": payload})

    def checkpoint(self, saved: Saved) -> None:
        self._post(
            {
                "do": "checkpoint",
                "path": str(saved.path),
                "name": saved.name,
                "written": saved.written,
                "kept": saved.kept,
                "step": saved.step,
                "epoch": saved.epoch,
                "metrics": dict(saved.metrics),
            }
        )

    def artifact(self, path: Path, name: str) -> None:
        self._post({"do": "artifact", "path": str(path), "name": name})

    def fetch(self, source: Source) -> Path | None:
        answer = self._call({"do": "fetch", "source": source})
        if answer.get("error"):
            raise TransferError(answer["error"])
        return Path(answer["path"]) if answer.get("path") else None

    def finish(self, end: End) -> None:
        self._call({"do": "finish", "end": end.as_dict()})

    def close(self) -> None:
        """Hands over what is left, without waiting for long."""
        sender = threading.Thread(target=self._flush, daemon=True)
        try:
            sender.start()
        except RuntimeError:  # the interpreter is past the point of starting threads
            self._flush()
        else:
            sender.join(CLOSE_WAIT)

    def _post(self, message: dict[str, Any]) -> None:
        self._messages.append(message)
        self._wake.set()

    def _call(self, message: dict[str, Any]) -> dict[str, Any]:
        with self._answered:
            self._calls += 1
            number = self._calls
        self._post({**message, "id": number})
        with self._answered:
            while number not in self._answers and not self._gone:
                self._answered.wait()
            return self._answers.pop(number, {"error": "the runner is gone"})

    def _send_forever(self) -> None:
        while not self._gone:
            waited_for = self._wake.wait(SEND_EVERY)
            self._wake.clear()
            if waited_for or time.monotonic() >= self._rests_until:
                self._flush()

    def _send_some(self) -> None:
        """What the socket takes at once; the rest of a line goes before the next."""
        line = self._unsent or self._line()
        rest = REST_IN_HASTE if len(self._spool) else REST
        self._rests_until = time.monotonic() + rest
        if not line or self._gone:
            return
        try:
            self._unsent = line[self._socket.send(line, socket.MSG_DONTWAIT) :]
        except BlockingIOError:
            self._unsent = line
        except OSError:
            self._gone = True

    def _flush(self) -> None:
        """Points first, so that what a message speaks of has been seen."""
        with self._sending:
            line = self._unsent or self._line()
            while line and not self._gone:
                self._write(line)
                time.sleep(BREATH)
                line = self._line()
            self._unsent = b""
            while self._messages and not self._gone:
                self._write(_spelled(self._messages.popleft()))

    def _line(self) -> bytes:
        """The next points, as they lie in the spool; empty where there is nothing new."""
        latest = self._spool.latest()
        stretches = self._spool.take_stretches(STRETCHES_A_LINE)
        if not stretches and latest == self._said:
            return b""
        self._said = latest
        points = [b2a_base64(each, newline=False).decode() for each in stretches]
        return _spelled({"do": "observe", "latest": latest, "points": points})

    def _write(self, line: bytes) -> None:
        try:
            self._socket.sendall(line)
        except OSError:
            self._gone = True

    def _fall_silent(self) -> None:
        """In a process that was forked off: its parent will send what it has a copy of, and may
        have held locks that nobody here gives back."""
        self._gone = True
        self._spool, self._sending = Spool(SPOOL_BYTES), threading.Lock()

    def _read_forever(self) -> None:
        with self._socket.makefile("rb") as lines:
            try:
                for line in lines:
                    self._hear(json.loads(line))
            except OSError:
                pass
        with self._answered:
            self._gone = True
            self._answered.notify_all()
        os.kill(os.getpid(), signal.SIGTERM)

    def _hear(self, message: dict[str, Any]) -> None:
        if "stop" in message:
            self.stop = message["stop"]
            return
        with self._answered:
            self._answers[message["id"]] = message
            self._answered.notify_all()


def _spelled(message: Mapping[str, Any]) -> bytes:
    return json.dumps(message).encode() + b"\n"
