"""the ledger: when an attempt stood still, and until when its work was saved

Neither outlives what it is read from otherwise: a mark that is taken away again, and checkpoints
that are swept. What stood still before this revision is not known, and counts as work.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    stalled = sa.Column(
        "stalled", postgresql.TSTZMULTIRANGE(), server_default=sa.text("'{}'"), nullable=False
    )
    op.add_column("attempts", stalled)
    op.add_column("attempts", sa.Column("saved_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_column("attempts", "saved_at")
    op.drop_column("attempts", "stalled")
