"""The end of an attempt in MLflow: its files lie where MLflow looks for them, its models are ready,
and no run of it goes on."""

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import asyncpg

from common.errors import NotFound
from common.storage.objects import Objects
from common.tracking import mirror, name
from common.tracking.counterpart import OWN, Counterparts, Json
from common.tracking.mirror import Mirror, Row
from common.tracking.mlflow import Mlflow

# Where the server keeps what it hands out itself, in our bucket.
SERVED = "mlflow"
STATUSES = {"succeeded": "FINISHED", "failed": "FAILED", "cancelled": "KILLED"}

_OF_MODEL = re.compile(r"mlflow/models/(m-[0-9a-f]{32})/(.+)", re.DOTALL)
_OF_RUN = re.compile(r"mlflow/([0-9a-f]{32})/(.+)", re.DOTALL)
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Stores:
    pool: asyncpg.Pool
    objects: Objects
    bucket: str


async def end(of: Mirror, books: Counterparts, mlflow: Mlflow, stores: Stores) -> None:
    """Does what has not been done yet. Raises MlflowUnavailable, MlflowRefused."""
    if of.done.get("ended"):
        return
    artifacts = await mirror.read_artifacts(stores.pool, of)
    await _Shelf(of, books, mlflow, stores).fill(artifacts)
    for row in books.models:
        await _finish(row, books, mlflow)
    for row in books.runs:
        if row["tracking_run_id"]:
            await _end_run(of, row, books, mlflow)
    await books.delete_twins()
    of.done["ended"] = True


async def _finish(row: Json, books: Counterparts, mlflow: Mlflow) -> None:
    model_id = await books.model(row["model"])
    status = "READY" if row["status"] == "READY" else "UPLOAD_FAILED"
    body = {"model_id": model_id, "status": f"LOGGED_MODEL_{status}"}
    await mlflow.call("PATCH", f"logged-models/{model_id}", body)


async def _end_run(of: Mirror, row: Json, books: Counterparts, mlflow: Mlflow) -> None:
    """As its program said, else as the attempt did."""
    if row["run"] == OWN and books.main is not None:
        return
    if row["run"] != OWN and row["status"] != "running":
        return
    body = {
        "run_id": row["tracking_run_id"],
        "status": STATUSES[of.job["outcome"]],
        "end_time": name.milliseconds(of.job["ended_at"]),
    }
    await mlflow.call("POST", "runs/update", body)


@dataclass(frozen=True)
class _Place:
    """Where the files of one run or model lie, as MLflow says it and as a key."""

    uri: str
    key: str


@dataclass
class _Shelf:
    """The files of an attempt, copied within the store to where MLflow keeps its own."""

    of: Mirror
    books: Counterparts
    mlflow: Mlflow
    stores: Stores
    places: dict[str, _Place | None] = field(default_factory=dict[str, "_Place | None"])

    async def fill(self, artifacts: Sequence[Row]) -> None:
        theirs = {row["uri"] for row in artifacts if row["name"].startswith("mlflow/")}
        for row in artifacts:
            # The model that MLflow's client logged is told once more, for our catalog.
            if row["name"].startswith("mlflow/") or row["uri"] not in theirs:
                await self._put(row)

    async def _put(self, row: Row) -> None:
        own = f"s3://{self.stores.bucket}/"
        owner, path = _owner(row["name"])
        place = await self._place(owner)
        if place is None or not row["uri"].startswith(own):
            _log.warning("%s stays where MLflow does not look for it", row["uri"])
            return
        source, target = row["uri"].removeprefix(own), f"{place.key}/{path}"
        try:
            if path.rpartition("/")[2] == "MLmodel":
                await self._put_description(source, target)
            else:
                await self.stores.objects.copy(source, target)
        except NotFound:
            _log.warning("%s was told of and is not there", row["uri"])

    async def _put_description(self, source: str, target: str) -> None:
        """It names its run and itself, by the names that the trainer's side gave them."""
        text = (await self.stores.objects.get_bytes(source)).decode()
        for row in self.books.models:
            if row["tracking_model_id"] and row["model"] in text:
                place = await self._place(row["model"])
                pattern = rf"mlflow-artifacts:/[^\s]*?{row['model']}/artifacts"
                text = re.sub(pattern, place.uri if place else "", text)
                text = text.replace(row["model"], row["tracking_model_id"])
        for row in self.books.runs:
            if row["tracking_run_id"] and row["run"]:
                text = text.replace(row["run"], row["tracking_run_id"])
        await self.stores.objects.put_bytes(target, text.encode())

    async def _place(self, owner: str) -> _Place | None:
        if owner not in self.places:
            uri = await self._uri(owner)
            key = uri and key_of(uri, self.stores.bucket)
            self.places[owner] = _Place(uri, key) if uri and key else None
        return self.places[owner]

    async def _uri(self, owner: str) -> str | None:
        if owner.startswith("m-"):
            model_id = await self.books.model(owner)
            if model_id is None:
                return None
            found = await self.mlflow.call("GET", f"logged-models/{model_id}")
            return found["model"]["info"]["artifact_uri"]
        run_id = await self.books.run(owner)
        if run_id is None:
            return None
        found = await self.mlflow.call("GET", "runs/get", {"run_id": run_id})
        return found["run"]["info"]["artifact_uri"]


def key_of(uri: str, bucket: str) -> str | None:
    """The key in our bucket at which MLflow looks for what it calls so; None where that is
    elsewhere."""
    parts = urlsplit(uri)
    if parts.scheme == "mlflow-artifacts":
        return f"{SERVED}{parts.path}".rstrip("/")
    if parts.scheme == "s3" and parts.netloc == bucket:
        return parts.path.strip("/")
    return None


def _owner(called: str) -> tuple[str, str]:
    """The run or model whose file it is, and the file's path there."""
    if found := _OF_MODEL.fullmatch(called) or _OF_RUN.fullmatch(called):
        return found[1], found[2]
    return OWN, called
