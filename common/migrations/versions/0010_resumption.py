"""where an attempt went on, so that of what earlier ones told nothing counts twice

Null for the attempts that are there: of them nothing is taken away. The release before writes none.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision: str = "0010"
down_revision: str | None = "0009"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("attempts", sa.Column("resumed_from", JSONB))


def downgrade() -> None:
    op.drop_column("attempts", "resumed_from")
