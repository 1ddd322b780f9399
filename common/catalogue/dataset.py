"""The store of datasets: records in Postgres, bytes in S3."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlmodel.ext.asyncio.session import AsyncSession

from common.catalogue import lineage, use
from common.catalogue.stored import Stored, with_file
from common.errors import Conflict, NotFound
from common.storage import address
from common.tables.dataset import Dataset

DatasetType = Literal["pretrain_corpus", "sft_pair", "rag_qa", "rlhf_pair"]
NOT_SCANNED = "not_scanned"


async def add(session: AsyncSession, dataset: Dataset) -> None:
    """Raises Conflict for a name and version that the project has."""
    session.add(dataset)
    try:
        await session.flush()
    except IntegrityError:
        raise Conflict(f"This project has {dataset.name} {dataset.version} already.") from None


async def find(session: AsyncSession, dataset_id: UUID, *, lock: bool = False) -> Dataset:
    """Raises NotFound."""
    found = await session.get(Dataset, dataset_id, with_for_update=lock)
    if found is None:
        raise NotFound("There is no such dataset.")
    return found


async def check_idle(session: AsyncSession, dataset_id: UUID) -> None:
    """Raises Conflict while a job that has not ended trains on it."""
    if await use.is_used(session, "dataset_id", dataset_id):
        raise Conflict("A job that has not ended uses this dataset.")


async def add_file(
    session: AsyncSession, dataset_id: UUID, file: Stored, *, bucket: str, now: datetime
) -> Dataset:
    """Notes a file whose upload is complete. Raises NotFound."""
    dataset = await find(session, dataset_id, lock=True)
    dataset.files = with_file(dataset.files, file)
    dataset.storage_uri = own_uri(bucket, dataset_id)
    dataset.updated_at = now
    return dataset


async def remove(session: AsyncSession, dataset_id: UUID) -> Dataset:
    """What was removed. Raises NotFound, and InUse while something depends on it."""
    dataset = await find(session, dataset_id, lock=True)
    await lineage.check_unused_dataset(session, dataset)
    await session.delete(dataset)
    return dataset


def own_uri(bucket: str, dataset_id: UUID) -> str:
    """Where its uploads lie: always a prefix, however many files there are."""
    return f"s3://{bucket}/{address.dataset_prefix(str(dataset_id))}"


def name_of(dataset: Dataset) -> dict[str, Any]:
    """The entry as others are told of it."""
    return {"id": dataset.id, "name": dataset.name, "version": dataset.version}


def show(dataset: Dataset) -> dict[str, Any]:
    """The record as clients see it."""
    return dataset.model_dump()
