"""Answers requests: JSON deeds by the table, and files, which are streamed."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO, Any
from urllib.parse import unquote, urlsplit

from eventrain_trainer.relay.asked import Asked
from eventrain_trainer.relay.body import Body
from eventrain_trainer.relay.book import Book
from eventrain_trainer.relay.failure import Failure, invalid
from eventrain_trainer.relay.kept import Model, Run
from eventrain_trainer.relay.registry import Registry
from eventrain_trainer.relay.routes import DEEDS, Routes, of_registry
from eventrain_trainer.relay.runs import run_id
from eventrain_trainer.relay.shelf import Shelf
from eventrain_trainer.relay.traces import DROPPED

VERSION = "3.17.2"
JSON, TEXT, BYTES = "application/json", "text/plain", "application/octet-stream"
SERVER = {
    "store_type": "Eventrain",
    "workspaces_enabled": False,
    "multipart_uploads_enabled": False,
    "multipart_downloads_enabled": False,
}
# By its beginning a client knows that it is to send the file in one piece.
IN_ONE_PIECE = "Multipart upload is not supported for the current artifact repository"
FILES = re.compile(
    r"^/(?:ajax-)?api/2\.0/mlflow-artifacts/(?P<what>artifacts|mpu|presigned)(?:/|$)"
)
PLACE = re.compile(
    r"^[^/]+/(?:(?P<dropped>traces/[^/]+)|(?P<model>models/m-[0-9a-f]{32})|(?P<run>[0-9a-f]{32}))"
    r"/artifacts(?:/(?P<path>.*))?$"
)


@dataclass(frozen=True, slots=True)
class Reply:
    """A file comes with its size."""

    status: int
    type: str
    content: bytes = b""
    file: IO[bytes] | None = None
    size: int = 0


class Desk:
    def __init__(self, book: Book, registry: Registry, shelf: Shelf) -> None:
        self._book, self._shelf = book, shelf
        self._routes = Routes(
            {
                **DEEDS,
                **of_registry(registry),
                "GET artifacts/list": self._list_of_run,
                "GET logged-models/{model_id}/artifacts/directories": self._list_of_model,
                "GET server-info": lambda book, asked: SERVER,
            }
        )

    def answer(self, method: str, target: str, body: Body) -> Reply:
        """Raises Failure, Vanished."""
        url = urlsplit(target)
        if found := FILES.match(url.path):
            path = unquote(url.path[found.end() :])
            return self._answer_file(method, found["what"], path, url.query, body)
        if url.path in ("/health", "/version"):
            return Reply(200, TEXT, b"OK" if url.path == "/health" else VERSION.encode())
        if url.path == "/v1/traces":
            body.drain()
            self._book.warn(DROPPED)
            return as_json(200, {})
        deed, named = self._routes.find(method, url.path)
        sent = body.read()
        in_query = method == "GET" or (not sent and bool(url.query))
        asked = Asked.of_query(url.query) if in_query else Asked.of_json(sent)
        with self._book.lock:
            found = deed(self._book, asked.with_path({k: unquote(v) for k, v in named.items()}))
        return as_json(200, found)

    def _answer_file(self, method: str, what: str, path: str, query: str, body: Body) -> Reply:
        if what != "artifacts":
            raise Failure("NOT_IMPLEMENTED", IN_ONE_PIECE)
        match method, bool(path):
            case "GET", False:
                return as_json(200, self._list(Asked.of_query(query).maybe("path")))
            case "GET", True:
                file, size = self._shelf.get(self._name(path))
                return Reply(200, BYTES, file=file, size=size)
            case "PUT", True:
                self._put(path, body)
            case "DELETE", True:
                self._shelf.remove(self._name(path))
            case _:
                raise Failure("ENDPOINT_NOT_FOUND", f"The relay does not know {method} {path}.")
        return as_json(200, {})

    def _put(self, path: str, body: Body) -> None:
        if self._name(path):
            self._shelf.put(self._name(path), body.blocks(), body.announced)
        else:
            body.drain()

    def _list(self, path: str) -> dict[str, Any]:
        return {"files": self._shelf.listing(self._name(path))}

    def _list_of_run(self, book: Book, asked: Asked) -> dict[str, Any]:
        run = book.run(run_id(asked))
        return self._below(run, f"mlflow/{run.id}", asked.maybe("path"))

    def _list_of_model(self, book: Book, asked: Asked) -> dict[str, Any]:
        model = book.model(asked.text("model_id"))
        folder = asked.maybe("artifact_directory_path")
        return self._below(model, f"mlflow/models/{model.id}", folder)

    def _below(self, owner: Run | Model, root: str, folder: str) -> dict[str, Any]:
        """With the names that they have below their owner."""
        inside = f"{folder.strip('/')}/" if folder.strip("/") else ""
        found = self._shelf.listing(f"{root}/{inside}")
        files = [each | {"path": inside + each["path"]} for each in found]
        return {"root_uri": owner.artifact_uri, "files": files}

    def _name(self, path: str) -> str:
        """What an artifact is called in the attempt; nothing for what is dropped."""
        found = PLACE.match(path.rstrip("/"))
        if found is None:
            raise invalid(f"Invalid path: {path[:200]!r} lies in no run and no logged model")
        if found["dropped"]:
            self._book.warn(DROPPED)
            return ""
        with self._book.lock:
            if found["run"]:
                self._book.run(found["run"])
            else:
                self._book.model(found["model"].removeprefix("models/"))
        return "/".join(filter(None, ("mlflow", found["model"] or found["run"], found["path"])))


def as_json(status: int, content: Mapping[str, Any]) -> Reply:
    return Reply(status, JSON, json.dumps(content, allow_nan=False).encode())
