"""Shows where GPU hours went."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg

from common.access.permission import demand
from common.access.project import NO_PROJECT
from common.errors import Invalid, Violation
from common.jobs.ledger import GroupBy, Span, projects_with_jobs, read_ledger
from common.prices import Prices
from common.tokens.user_token import User
from functions.ledger import schema

LONGEST = timedelta(days=366)


@dataclass(frozen=True)
class Asked:
    """Of which project, by what, and of which jobs by their submission."""

    project: UUID | None
    group_by: GroupBy
    since: datetime | None
    until: datetime | None
    limit: int
    after: str | None


async def ledger(
    user: User, asked: Asked, *, pool: asyncpg.Pool, prices: Prices, now: Callable[[], datetime]
) -> schema.Ledger:
    """Called by HTTP. Of one project, or of all that the caller belongs to; who administers the
    installation sees every project's. Raises NotFound for a project of others, Invalid for a span
    that is empty or too long and for a bad cursor."""
    if asked.project is not None:
        demand(user, asked.project, "viewer", NO_PROJECT)
    moment = now()
    span = _span(asked, moment)
    page = await read_ledger(
        pool,
        await _projects(user, asked.project, pool),
        span,
        asked.group_by,
        prices=prices.per_hour,
        limit=asked.limit,
        after=asked.after,
        now=moment,
    )
    return {
        "ledger": list(map(schema.entry, page.rows)),
        "groupBy": asked.group_by,
        "from": span.since,
        "to": span.until,
        "currency": prices.currency,
        "nextCursor": page.next_cursor,
    }


def _span(asked: Asked, now: datetime) -> Span:
    month = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    since, until = _aware(asked.since or month), _aware(asked.until or now)
    if since >= until:
        raise Invalid([Violation("from", "must be before to")])
    if until - since > LONGEST:
        raise Invalid([Violation("from", f"may be at most {LONGEST.days} days before to")])
    return Span(since, until)


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


async def _projects(user: User, project: UUID | None, pool: asyncpg.Pool) -> list[UUID]:
    if project is not None:
        return [project]
    if user.administers:
        return await projects_with_jobs(pool)
    return [UUID(each) for each in user.projects]
