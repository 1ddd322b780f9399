"""Entries of the catalog, and what belongs to them, as they are answered."""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict

JsonObject = dict[str, Any]


class Model(TypedDict):
    id: str
    name: str
    version: str
    type: str
    status: str
    owner_team: NotRequired[str | None]
    metadata: NotRequired[JsonObject | None]
    storage_uri: NotRequired[str | None]
    model_family: NotRequired[str | None]
    lineage_dataset_ids: NotRequired[list[str] | None]
    evaluation_summary: NotRequired[JsonObject | None]
    project_id: NotRequired[str]
    job_id: NotRequired[str | None]
    receipt_sha256: NotRequired[str | None]
    created_by: NotRequired[str]
    created_at: NotRequired[str]
    updated_at: NotRequired[str]
    targets: NotRequired[list[JsonObject]]


class Dataset(TypedDict):
    id: str
    name: str
    version: str
    type: NotRequired[str | None]
    storage_uri: NotRequired[str | None]
    project_id: NotRequired[str]
    owner_team: NotRequired[str | None]
    pii_scan_status: NotRequired[str]
    quality_score: NotRequired[float | None]
    change_log: NotRequired[str | None]
    approved_at: NotRequired[str | None]
    files: NotRequired[list[JsonObject]]
    created_by: NotRequired[str]
    created_at: NotRequired[str | None]
    updated_at: NotRequired[str]


class StoredFile(TypedDict):
    """The address fetches it for an hour; None where it is not ours to give."""

    name: str
    size: int
    sha256: str | None
    url: NotRequired[str | None]


class Preview(TypedDict):
    file: str
    format: str
    columns: list[str] | None
    rows: list[Any]
    truncated: bool


class Receipt(TypedDict):
    sha256: str
    receipt: str
