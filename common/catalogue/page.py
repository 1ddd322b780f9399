"""Lists in pages, newest first."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, desc, tuple_
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from common import cursor
from common.cursor import Instant

DEFAULT_LIMIT = 100
GREATEST_LIMIT = 1000

if TYPE_CHECKING:
    from common.tables.dataset import Dataset
    from common.tables.model import Model

Row = TypeVar("Row", "Model", "Dataset")


@dataclass(frozen=True, slots=True)
class Page:
    """How many rows, and after which."""

    limit: int = DEFAULT_LIMIT
    cursor: str | None = None


async def list_page(
    session: AsyncSession,
    table: type[Row],
    projects: Collection[UUID],
    page: Page,
    *conditions: ColumnElement[bool] | bool,
) -> tuple[Sequence[Row], str | None]:
    """The rows of these projects, and the cursor of the next page. Raises Invalid for a bad
    cursor."""
    row: Any = tuple_(col(table.created_at), col(table.id))
    query = select(table).where(col(table.project_id).in_(projects), *conditions)
    after = cursor.read(page.cursor, tuple[Instant, UUID])
    if after is not None:
        query = query.where(row < tuple_(*after))
    query = query.order_by(desc(col(table.created_at)), desc(col(table.id)))
    rows = (await session.exec(query.limit(page.limit + 1))).all()
    shown = rows[: page.limit]
    if len(rows) <= page.limit:
        return shown, None
    return shown, cursor.write(shown[-1].created_at, shown[-1].id)
