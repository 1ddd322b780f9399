"""What an attempt may reach in S3, read from its job while it is the present one."""

from collections.abc import Sequence
from uuid import UUID

from common.errors import NotFound, StaleAttempt
from common.postgres import Queryable, statement
from common.storage.grants import Grants


async def read_grants(
    connection: Queryable, job_id: UUID, attempt: int, wanted: Sequence[str] = ()
) -> Grants:
    """Raises StaleAttempt for an older attempt, NotFound."""
    row = await connection.fetchrow(statement("read_grants"), job_id, list(wanted))
    if row is None:
        raise NotFound("There is no such job.")
    if row["attempt"] != attempt:
        raise StaleAttempt
    named = (row["dataset_uri"], row["model_uri"], row["checkpoint_uri"], row["source_uri"])
    readable = frozenset(uri for uri in (*named, *row["checkpoints"]) if uri)
    return Grants(job_id, attempt, readable, row["known"], str(row["project_id"]))
