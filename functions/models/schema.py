"""Models as clients send and see them."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from common.catalogue.body import Line, Made, Name, Named, Uri, Version
from common.catalogue.model import ModelStatus, ModelType
from common.web import Id, SnakeBody


class NewModel(SnakeBody):
    """An entry whose files are uploaded next, or lie in the project's place already."""

    name: Name
    version: Version = "1"
    type: ModelType = "base"
    project_id: Id | None = None
    owner_team: Line | None = None
    metadata: Annotated[dict[str, Any], Field(default_factory=dict)]
    storage_uri: Uri | None = None
    model_family: Line | None = None
    lineage_dataset_ids: Annotated[list[Id], Field(default_factory=list, max_length=1000)]
    evaluation_summary: dict[str, Any] | None = None


class Target(SnakeBody):
    """Where an entry is registered: `catalog` is here; elsewhere it may be called otherwise."""

    target: Literal["catalog", "mlflow"]
    status: Literal["registered", "pending", "failed"]
    name: str | None
    version: str | None
    error: str | None
    at: datetime


class Model(SnakeBody):
    id: UUID
    project_id: UUID
    name: str
    version: str
    type: str
    status: ModelStatus
    owner_team: str | None
    metadata: dict[str, Any]
    storage_uri: str | None
    model_family: str | None
    lineage_dataset_ids: list[str]
    evaluation_summary: dict[str, Any] | None
    job_id: UUID | None
    receipt_sha256: str | None
    created_by: str
    created_at: datetime
    updated_at: datetime
    targets: list[Target]


class Receipt(SnakeBody):
    """The signed receipt as it is stored, and the digest that the catalog holds of it."""

    sha256: str
    receipt: str


class MadeFrom(SnakeBody):
    """The job that made it, its code, the model that it began from, and its data; nulls where
    people made the entry."""

    job: dict[str, Any] | None
    code: dict[str, Any] | None
    base_model: Named | None
    datasets: list[Named]


class Lineage(SnakeBody):
    model: Named
    made_from: MadeFrom
    made: Made
