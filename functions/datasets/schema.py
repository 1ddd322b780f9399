"""Datasets as clients send and see them."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from common.catalogue.body import Line, Made, Name, Named, Stored, Text, Uri, Version
from common.catalogue.dataset import DatasetType
from common.web import Id, SnakeBody


class NewDataset(SnakeBody):
    """A dataset whose files are uploaded next, or lie in the project's place already."""

    name: Name
    version: Version = "1"
    type: DatasetType | None = None
    project_id: Id | None = None
    storage_uri: Uri | None = None
    owner_team: Line | None = None
    quality_score: Annotated[float, Field(ge=0, le=1)] | None = None
    change_log: Text | None = None


class Dataset(SnakeBody):
    id: UUID
    project_id: UUID
    name: str
    version: str
    storage_uri: str | None
    owner_team: str | None
    pii_scan_status: str
    quality_score: float | None
    change_log: str | None
    approved_at: datetime | None
    type: str | None
    files: list[Stored]
    created_by: str
    created_at: datetime
    updated_at: datetime


class Preview(SnakeBody):
    """The first rows of one file."""

    file: str
    format: str
    columns: list[str] | None
    rows: list[Any]
    truncated: bool


class Lineage(SnakeBody):
    dataset: Named
    made: Made
