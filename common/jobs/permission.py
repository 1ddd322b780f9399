"""Who may do what with a job."""

from uuid import UUID

from common.access.permission import demand
from common.postgres import Queryable, statement
from common.tokens.user_token import Role, User

NO_JOB = "There is no such job."


async def check(connection: Queryable, job_id: UUID, user: User, *, role: Role = "viewer") -> None:
    """Raises NotFound for a job that is not there or of others, Forbidden for too small a role."""
    allow(await connection.fetchval(statement("read_owner"), job_id), user, role)


def allow(project: UUID | None, user: User, role: Role) -> None:
    """The same for a job whose project is known; None where there is no job."""
    demand(user, project, role, NO_JOB)
