"""The catalog: models and datasets, their files, and what was made from what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic

from eventrain_client import files
from eventrain_client.calls import D, call, course
from eventrain_client.catalog_replies import Dataset, Model, Preview, Receipt, StoredFile
from eventrain_client.exchange import Exchange
from eventrain_client.flow import Course, Flow

# Their classes have a method `list`.
Stored = list[StoredFile]
Paths = list[Path]
Keys = list[dict[str, Any]]

MODELS = "/catalog/models"
DATASETS = "/catalog/datasets"


@dataclass(frozen=True)
class Models(Generic[D]):
    exchange: Exchange
    driver: D

    @course
    def list(self, *, status: str | None = None) -> Course[Model]:
        """`status` is draft, under_review, approved or deprecated."""
        return self.exchange.rows(MODELS, "models", {"status": status})

    @call
    def get(self, model_id: str) -> Flow[Model]:
        return self.exchange.ask("GET", f"{MODELS}/{model_id}")

    @call
    def create(self, model: Mapping[str, Any]) -> Flow[Model]:
        """An entry whose files are uploaded next; a job registers its own."""
        return self.exchange.ask("POST", MODELS, json=dict(model))

    @call
    def set_status(self, model_id: str, status: str) -> Flow[Model]:
        params = {"status": status}
        path = f"{MODELS}/{model_id}/status"
        return self.exchange.ask("PATCH", path, params=params, repeatable=True)

    @call
    def delete(self, model_id: str) -> Flow[Model]:
        """With its files. Refused while something depends on it."""
        return self.exchange.ask("DELETE", f"{MODELS}/{model_id}")

    @call
    def files(self, model_id: str) -> Flow[Stored]:
        return self.exchange.ask("GET", f"{MODELS}/{model_id}/files")

    @call
    def upload(self, model_id: str, file: Path | str) -> Flow[Model]:
        """Adds a file; a large one goes to the store in parts."""
        return files.send(self.exchange, f"{MODELS}/{model_id}", Path(file))

    @call
    def download(self, model_id: str, folder: Path | str = ".") -> Flow[Paths]:
        """All its files into a folder, each whole or not at all and held to its digest."""
        return _download(self.exchange, f"{MODELS}/{model_id}", Path(folder))

    @call
    def lineage(self, model_id: str) -> Flow[dict[str, Any]]:
        """What it was made from, and what was made of it."""
        return self.exchange.ask("GET", f"{MODELS}/{model_id}/lineage")

    @call
    def receipt(self, model_id: str) -> Flow[Receipt]:
        """The signed receipt of its making."""
        return self.exchange.ask("GET", f"{MODELS}/{model_id}/receipt")

    @call
    def receipt_keys(self) -> Flow[Keys]:
        """The public keys that receipts are checked with."""
        return _keys(self.exchange)


@dataclass(frozen=True)
class Datasets(Generic[D]):
    exchange: Exchange
    driver: D

    @course
    def list(self) -> Course[Dataset]:
        return self.exchange.rows(DATASETS, "datasets")

    @call
    def get(self, dataset_id: str) -> Flow[Dataset]:
        return self.exchange.ask("GET", f"{DATASETS}/{dataset_id}")

    @call
    def create(self, dataset: Mapping[str, Any]) -> Flow[Dataset]:
        """An entry whose files are uploaded next."""
        return self.exchange.ask("POST", DATASETS, json=dict(dataset))

    @call
    def delete(self, dataset_id: str) -> Flow[Dataset]:
        """With its files. Refused while something depends on it."""
        return self.exchange.ask("DELETE", f"{DATASETS}/{dataset_id}")

    @call
    def files(self, dataset_id: str) -> Flow[Stored]:
        return self.exchange.ask("GET", f"{DATASETS}/{dataset_id}/files")

    @call
    def upload(self, dataset_id: str, file: Path | str) -> Flow[Dataset]:
        """Adds a file; a large one goes to the store in parts."""
        return files.send(self.exchange, f"{DATASETS}/{dataset_id}", Path(file))

    @call
    def download(self, dataset_id: str, folder: Path | str = ".") -> Flow[Paths]:
        """All its files into a folder, each whole or not at all and held to its digest."""
        return _download(self.exchange, f"{DATASETS}/{dataset_id}", Path(folder))

    @call
    def lineage(self, dataset_id: str) -> Flow[dict[str, Any]]:
        """What was made of it."""
        return self.exchange.ask("GET", f"{DATASETS}/{dataset_id}/lineage")

    @call
    def preview(
        self, dataset_id: str, *, file: str | None = None, rows: int | None = None
    ) -> Flow[Preview]:
        """The first rows of a file, of the first one where none is named."""
        params = {"file": file, "limit": rows}
        return self.exchange.ask("GET", f"{DATASETS}/{dataset_id}/preview", params=params)


def _download(exchange: Exchange, entry: str, folder: Path) -> Flow[Paths]:
    listed: Stored = yield from exchange.ask("GET", f"{entry}/files")
    fetched: Paths = []
    for file in listed:
        fetched.append((yield from files.fetch(file, folder)))
    return fetched


def _keys(exchange: Exchange) -> Flow[Keys]:
    return (yield from exchange.ask("GET", "/catalog/receipt-keys"))["keys"]
