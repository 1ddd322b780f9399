"""The runner's end of the socket: what its script says goes to the session."""

import json
import logging
import shutil
import socket
import tempfile
import threading
from binascii import a2b_base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

from eventrain_trainer.addresses import TransferError
from eventrain_trainer.metric import Point
from eventrain_trainer.patience import let_training_go_first
from eventrain_trainer.port import End, Saved
from eventrain_trainer.session import Session
from eventrain_trainer.stretch import rows
from eventrain_trainer.text import clean

log = logging.getLogger("eventrain")
LAST_WORDS = 5.0
SOCKET = "run.sock"
# What every system takes as the path of a socket; Linux takes 107 bytes, macOS 103.
LONGEST_PATH = 100


class Hub:
    """Listens in a folder that only this user can enter; several processes may connect."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._folder = _make_folder()
        self.path = str(self._folder / SOCKET)
        self._server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._server.bind(self.path)
        self._server.listen()
        self._lock = threading.Lock()
        self._peers: list[socket.socket] = []
        self._readers: list[threading.Thread] = []
        self._stop = ""
        self.spoken_to = False
        """Whether a program has ever connected."""
        self._deeds: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "observe": self._observe,
            "event": self._event,
            "checkpoint": self._checkpoint,
            "artifact": self._artifact,
            "fetch": self._fetch,
            "finish": self._finish,
        }
        threading.Thread(target=self._accept, name="eventrain-hub", daemon=True).start()

    def tell_stop(self, command: str) -> None:
        with self._lock:
            self._stop = command
            for peer in self._peers:
                _write(peer, {"stop": command})

    def close(self) -> None:
        """Hears what was already on its way, then takes the socket away."""
        self._server.close()
        with self._lock:
            readers = list(self._readers)
        for reader in readers:
            reader.join(LAST_WORDS)
        with self._lock:
            for peer in self._peers:
                peer.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _accept(self) -> None:
        while True:
            try:
                peer, _ = self._server.accept()
            except OSError:
                return
            reader = threading.Thread(target=self._read, args=(peer,), daemon=True)
            with self._lock:
                self.spoken_to = True
                self._peers.append(peer)
                self._readers.append(reader)
                if self._stop:
                    _write(peer, {"stop": self._stop})
            reader.start()

    def _read(self, peer: socket.socket) -> None:
        let_training_go_first()
        with peer.makefile("rb") as lines:
            try:
                for line in lines:
                    self._hear(peer, line)
            except OSError:
                return

    def _hear(self, peer: socket.socket, line: bytes) -> None:
        try:
            message = json.loads(line)
            answer = self._deeds[message["do"]](message)
        except Exception as error:  # noqa: BLE001 the runner's boundary to any script
            self._session.warn(f"the script said what nobody understands: {error!r}")
            return
        if "id" in message:
            _write(peer, {"id": message["id"], **answer})

    def _observe(self, said: dict[str, Any]) -> dict[str, Any]:
        stretches = map(a2b_base64, said["points"])
        points = [Point._make(row) for stretch in stretches for row in rows(stretch)]
        self._session.observe(said["latest"], points)
        return {}

    def _event(self, said: dict[str, Any]) -> dict[str, Any]:
        self._session.event(said["kind"], said["payload"])
        return {}

    def _checkpoint(self, said: dict[str, Any]) -> dict[str, Any]:
        saved = Saved(
            path=Path(said["path"]),
            name=said["name"],
            written=(said["written"][0], said["written"][1]),
            kept=said["kept"],
            step=said["step"],
            epoch=said["epoch"],
            metrics=said["metrics"],
        )
        self._session.checkpoint(saved)
        return {}

    def _artifact(self, said: dict[str, Any]) -> dict[str, Any]:
        self._session.artifact(Path(said["path"]), said["name"])
        return {}

    def _fetch(self, said: dict[str, Any]) -> dict[str, Any]:
        try:
            path = self._session.fetch(said["source"])
        except TransferError as error:
            return {"error": clean(str(error))}
        return {"path": str(path) if path else None}

    def _finish(self, said: dict[str, Any]) -> dict[str, Any]:
        self._session.settle(End(**said["end"]))
        return {}


def _make_folder() -> Path:
    """A folder of our own whose path leaves room for a socket: TMPDIR may be long."""
    for parent in (None, "/tmp", "/dev/shm"):
        try:
            folder = Path(tempfile.mkdtemp(prefix="eventrain-", dir=parent))
        except OSError:
            continue
        if len(str(folder / SOCKET).encode()) <= LONGEST_PATH:
            return folder
        folder.rmdir()
    raise OSError("no folder for a socket: set TMPDIR to a short path that can be written")


def _write(peer: socket.socket, message: dict[str, Any]) -> None:
    try:
        peer.sendall(json.dumps(message).encode() + b"\n")
    except OSError:
        log.debug("the script has gone")
