"""The script's end of the socket to its runner: JSON lines, sent from a thread of their own."""

import json
import os
import signal
import socket
import threading
import time
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
SEND_EVERY = 0.2
# A line is put together while the training cannot go on.
POINTS_A_LINE = 50
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
        self._wake = threading.Event()
        self._answers: dict[int, dict[str, Any]] = {}
        self._answered = threading.Condition()
        self._calls = 0
        self._gone = False
        for work in (self._send_forever, self._read_forever):
            threading.Thread(target=work, name=f"eventrain{work.__name__}", daemon=True).start()

    def observe(self, latest: Mapping[str, Any], points: Sequence[Point]) -> None:
        self._spool.observe(latest, points)

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
            self._wake.wait(SEND_EVERY)
            self._wake.clear()
            self._flush()

    def _flush(self) -> None:
        """Points first, so that what a message speaks of has been seen."""
        with self._sending:
            latest = self._spool.latest()
            while not self._gone and (len(self._spool) or latest != self._said):
                points = self._spool.take(POINTS_A_LINE)
                self._write({"do": "observe", "latest": latest, "points": points})
                self._said = latest
                time.sleep(BREATH)
            while self._messages and not self._gone:
                self._write(self._messages.popleft())

    def _write(self, message: Mapping[str, Any]) -> None:
        try:
            self._socket.sendall(json.dumps(message).encode() + b"\n")
        except OSError:
            self._gone = True

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
