"""What the catalog asks of jobs and tells them: five columns, for to declare the whole table would
cost each cold start of models and datasets."""

from typing import Literal
from uuid import UUID

from sqlalchemy import String, bindparam, column, exists, null, select, table, update
from sqlmodel.ext.asyncio.session import AsyncSession

from common.jobs.state import LIVE

Kind = Literal["model_id", "dataset_id"]

JOBS = table(
    "jobs",
    column("status"),
    column("model_id"),
    column("dataset_id"),
    column("output_model_entry_id"),
    column("output_model_storage_uri"),
)
# As a parameter it would hide that the index of live jobs holds all that are meant.
STATUSES = sorted(str(status) for status in LIVE)
WRITTEN_OUT = bindparam("live", STATUSES, String(), expanding=True, literal_execute=True)


async def is_used(session: AsyncSession, kind: Kind, entry: UUID) -> bool:
    """Whether a job that has not ended trains on it."""
    using = exists().where(JOBS.c[kind] == entry, JOBS.c.status.in_(WRITTEN_OUT))
    connection = await session.connection()
    return bool(await connection.scalar(select(using)))


async def forget_model(session: AsyncSession, entry: UUID) -> None:
    """The job that made this model has none any more."""
    made = update(JOBS).where(JOBS.c.output_model_entry_id == entry)
    nothing = made.values(output_model_entry_id=null(), output_model_storage_uri=null())
    await (await session.connection()).execute(nothing)
