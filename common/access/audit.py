"""Who changed what. Every call of a person or a machine that is not a read leaves a row.

The call's entry is carried along as its trace is. Where there is a transaction, `write` puts the
row into it, so that neither is there without the other; what wrote none, or was refused, is noted
by the gate when the call is over.
"""

from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from common import cursor
from common.cursor import Big, Page, page
from common.postgres import Queryable, statement
from common.tokens.user_token import User

DONE = "done"


@dataclass
class Entry:
    """What is known of a call; `project` is filled in by whoever checks its owner."""

    user: User
    at: datetime
    action: str
    target: str | None
    request_id: str
    project: UUID | None = None
    written: bool = False


current: ContextVar[Entry | None] = ContextVar("audit", default=None)


def concerns(project: UUID) -> None:
    """The present call is about something of this project."""
    entry = current.get()
    if entry is not None:
        entry.project = project


def changes_nothing() -> None:
    """The present call only reads, whatever its method: no row unless it fails."""
    entry = current.get()
    if entry is not None:
        entry.written = True


def values(
    entry: Entry, outcome: str, target: object = None, project: UUID | None = None
) -> tuple[Any, ...]:
    """The columns of its row, in the order of the statement."""
    return (
        entry.at,
        entry.user.subject,
        entry.user.token_id,
        project or entry.project,
        entry.action,
        entry.target if target is None else str(target),
        entry.request_id,
        outcome,
    )


async def note(connection: Queryable, entry: Entry, outcome: str) -> None:
    """The row of an entry that is not the present call's, or whose call is over."""
    await connection.execute(statement("insert_audit"), *values(entry, outcome))


async def write(
    connection: Queryable, target: object = None, *, project: UUID | None = None
) -> None:
    """The present call did what it was to do, in this transaction; nothing where nobody asked."""
    entry = current.get()
    if entry is not None:
        await connection.execute(statement("insert_audit"), *values(entry, DONE, target, project))
        entry.written = True


async def list_entries(
    connection: Queryable,
    projects: Sequence[UUID] | None,
    subject: str | None,
    *,
    limit: int,
    after: str | None,
) -> Page:
    """Those of these projects, or all, newest first. Raises Invalid for a bad cursor."""
    (place,) = cursor.read(after, tuple[Big]) or (None,)
    rows = await connection.fetch(statement("list_audit"), projects, subject, place, limit + 1)
    return page(rows, limit, "id")
