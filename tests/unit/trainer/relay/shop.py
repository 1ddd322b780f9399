"""A relay's server with nobody behind it: what it would tell is written down."""

import http.client
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from eventrain_trainer.metric import Point
from eventrain_trainer.relay.book import Book
from eventrain_trainer.relay.desk import Desk
from eventrain_trainer.relay.registry import Registry
from eventrain_trainer.relay.server import Server
from eventrain_trainer.relay.shelf import Shelf
from eventrain_trainer.relay.telling import Op, Telling

API = "/api/2.0/mlflow/"
FILES = "/api/2.0/mlflow-artifacts/artifacts"


@dataclass
class Shop:
    """Speaks the protocol over a connection of its own, as a client does that keeps it."""

    folder: Path
    points: list[Point] = field(default_factory=list[Point])
    latest: dict[str, Any] = field(default_factory=dict[str, Any])
    warnings: list[str] = field(default_factory=list[str])
    uploads: list[tuple[Path, str, Callable[[], None]]] = field(
        default_factory=list[tuple[Path, str, Callable[[], None]]]
    )
    forgotten: list[str] = field(default_factory=list[str])
    _told: list[Op] = field(default_factory=list[Op])

    def __enter__(self) -> Self:
        self.telling = Telling(self._hear, lambda: 0)
        self.book = Book(self, self.telling, "job-1")
        self.shelf = Shelf(
            self.folder, lambda *upload: self.uploads.append(upload), self.forgotten.append
        )
        self.server = Server(Desk(self.book, Registry(self.book), self.shelf).answer)
        self.server.open()
        self.client = http.client.HTTPConnection("127.0.0.1", self.server.server_port, timeout=30)
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self.server.close(5)
        self.telling.close()

    def observe(self, latest: Mapping[str, Any], points: Sequence[Point]) -> None:
        self.latest.update(latest)
        self.points.extend(points)

    def warn(self, message: str) -> None:
        self.warnings.append(message)

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Bytes are sent as they are, all else as JSON."""
        content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        self.client.request(method, path if path.startswith("/") else API + path, content)
        answer = self.client.getresponse()
        found = answer.read()
        is_json = answer.headers["Content-Type"] == "application/json"
        return answer.status, json.loads(found) if is_json else found

    def call(self, deed: str, **body: Any) -> Any:
        status, found = self.ask("POST", deed, body)
        assert status == 200, found
        return found

    def refused(self, deed: str, **body: Any) -> tuple[int, str]:
        status, found = self.ask("POST", deed, body)
        return status, found["error_code"]

    def run(self, *, parent: str = "", **more: Any) -> str:
        tags = [{"key": "mlflow.parentRunId", "value": parent}] if parent else []
        made = self.call("runs/create", experiment_id="1", tags=tags, **more)
        return made["run"]["info"]["run_id"]

    def told(self, op: str | None = None) -> list[Op]:
        """All of it, once no more is said."""
        self.telling.close()
        return [each for each in self._told if op in (None, each["op"])]

    def _hear(self, ops: Sequence[Op]) -> None:
        self._told.extend(ops)
