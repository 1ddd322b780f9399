"""Shows experiment runs, takes what people say of them, and tells how the integrations do."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg

from common.access import audit
from common.access.permission import demand
from common.jobs.ledger import projects_with_jobs
from common.jobs.permission import NO_JOB
from common.postgres import statement, transaction
from common.tokens.user_token import Role, User
from common.tracking import filter as language
from common.tracking import health, word
from common.tracking import search as runs
from common.tracking.health import Health
from common.tracking.mlflow import Mlflow
from common.tracking.run import ExperimentRun
from common.tracking.search import Wanted
from functions.experiments.schema import NewMetrics, NewRun, Query, Runs


class Shown(NamedTuple):
    """A run, and who says so."""

    run: ExperimentRun
    message: str


@dataclass(frozen=True)
class Experiments:
    """The experiment runs of jobs, from MLflow where it answers; None where it is off."""

    pool: asyncpg.Pool
    mlflow: Mlflow | None
    now: Callable[[], datetime]

    async def one(self, user: User, job_id: UUID) -> Shown:
        """Called by HTTP. The run of the job's newest attempt. Raises NotFound."""
        project = await self._project(user, job_id, "viewer")
        return Shown(*await runs.read(self.pool, self.mlflow, project, job_id))

    async def say(self, user: User, job_id: UUID, said: NewRun) -> Shown:
        """Called by HTTP. Names the run and adds parameters. Raises NotFound, Forbidden, Invalid."""
        await self._project(user, job_id, "member")
        async with transaction(self.pool) as connection:
            await word.say(
                connection,
                job_id,
                experiment_name=said.experiment_name,
                run_name=said.run_name,
                parameters=said.parameters,
                by=user.subject,
                now=self.now(),
            )
            await audit.write(connection)
        return await self.one(user, job_id)

    async def record(self, user: User, job_id: UUID, told: NewMetrics) -> Shown:
        """Called by HTTP. Adds metrics of one step. Raises NotFound, Forbidden."""
        await self._project(user, job_id, "member")
        figures = {name: float(value) for name, value in told.metrics.items()}
        async with transaction(self.pool) as connection:
            await word.record(connection, job_id, figures, told.step, now=self.now())
            await audit.write(connection)
        return await self.one(user, job_id)

    async def search(self, user: User, query: Query) -> tuple[Runs, str]:
        """Called by HTTP. Runs of the caller's projects, newest first; who administers the
        installation finds every project's. Raises Invalid for a filter that cannot be read."""
        audit.changes_nothing()
        terms = language.parse(query.filter_string)
        wanted = Wanted(await self._projects(user), terms, query.experiment_name, query.max_results)
        found = await runs.search(self.pool, self.mlflow, wanted)
        return {"experiments": found.runs, "total": len(found.runs)}, found.message

    async def health(self, user: User) -> Health:
        """Called by HTTP. How the integrations do."""
        return await health.look(self.pool, self.mlflow, details=user.administers, now=self.now())

    async def _project(self, user: User, job_id: UUID, role: Role) -> UUID:
        project: UUID | None = await self.pool.fetchval(statement("read_owner"), job_id)
        demand(user, project, role, NO_JOB)
        assert project is not None
        return project

    async def _projects(self, user: User) -> list[UUID]:
        if user.administers:
            return await projects_with_jobs(self.pool)
        return [UUID(project) for project in user.projects]
