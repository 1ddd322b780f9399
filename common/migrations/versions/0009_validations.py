"""validations: an index of those among a job's reports, so that a page of them reads no others

Built beside the table's use.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0009"
down_revision: str | None = "0008"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.create_index(
            "reports_validations",
            "reports",
            ["job_id", "number"],
            postgresql_where=sa.text("type = 'validation'"),
            postgresql_concurrently=True,
            if_not_exists=True,
        )


def downgrade() -> None:
    op.drop_index("reports_validations", "reports")
