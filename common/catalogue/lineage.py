"""What an entry was made of, and what was made of it; of the entry's own project only."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlmodel.ext.asyncio.session import AsyncSession

from common.catalogue.session import driver_of
from common.errors import InUse
from common.postgres import statement
from common.tables.dataset import Dataset
from common.tables.model import Model

MOST = 100
MOST_TOLD = 20


async def of_model(session: AsyncSession, model: Model) -> dict[str, Any]:
    """The job that made it with its data, code and base model; the jobs that began from it, and
    what those made. At most so many of the newest, and whether there are more."""
    driver = await driver_of(session)
    job = await driver.fetchrow(statement("lineage_of_model"), model.job_id)
    named = [UUID(str(each)) for each in model.lineage_dataset_ids]
    datasets = await driver.fetch(statement("lineage_datasets"), model.project_id, named)
    jobs = await driver.fetch(statement("jobs_from_model"), model.project_id, model.id, MOST + 1)
    models = await driver.fetch(
        statement("models_from_model"), model.project_id, model.id, MOST + 1
    )
    return {
        "made_from": _made_from(job, [dict(row) for row in datasets]),
        "made": _made(jobs, models),
    }


async def of_dataset(session: AsyncSession, dataset: Dataset) -> dict[str, Any]:
    """The jobs that trained on it and the models that were made from it."""
    driver = await driver_of(session)
    asked = (dataset.project_id, dataset.id, MOST + 1)
    jobs = await driver.fetch(statement("jobs_from_dataset"), *asked)
    models = await driver.fetch(
        statement("models_from_dataset"), dataset.project_id, [str(dataset.id)], MOST + 1
    )
    return {"made": _made(jobs, models)}


async def check_unused_model(session: AsyncSession, model: Model) -> None:
    """Raises InUse while a job that has not ended, or an entry that is not deprecated, depends on
    it."""
    await _check(session, "dependents_of_model", model.project_id, model.id)


async def check_unused_dataset(session: AsyncSession, dataset: Dataset) -> None:
    """Raises InUse, as for a model."""
    names = [str(dataset.id)]
    await _check(session, "dependents_of_dataset", dataset.project_id, dataset.id, names)


async def _check(session: AsyncSession, name: str, *asked: Any) -> None:
    rows = await (await driver_of(session)).fetch(statement(name), *asked, MOST_TOLD)
    if rows:
        raise InUse([{**row, "id": str(row["id"])} for row in map(dict, rows)])


def _made_from(job: Mapping[str, Any] | None, datasets: list[dict[str, Any]]) -> dict[str, Any]:
    if job is None:
        return {"job": None, "code": None, "base_model": None, "datasets": datasets}
    told = dict(job)
    code = {name: told.pop(name) for name in ("framework", "image", "source", "entrypoint", "args")}
    base = told.pop("base_model")
    return {"job": told, "code": code, "base_model": base, "datasets": datasets}


def _made(jobs: list[Any], models: list[Any]) -> dict[str, Any]:
    return {
        "jobs": [dict(row) for row in jobs[:MOST]],
        "models": [dict(row) for row in models[:MOST]],
        "more": len(jobs) > MOST or len(models) > MOST,
    }
