"""lists of jobs: an index for each filter, so that a page does not read a project's history

Built beside the table's use.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

NEWEST = (sa.text("submitted_at desc"), sa.text("id desc"))
INDEXES: Sequence[tuple[str, Sequence[str | sa.TextClause], str | None]] = (
    ("jobs_by_status", ("project_id", "status", *NEWEST), None),
    ("jobs_by_submitter", ("project_id", "submitted_by", *NEWEST), None),
    ("jobs_by_model", ("project_id", "model_id", *NEWEST), "model_id is not null"),
    ("jobs_by_name", ("project_id", sa.text("lower(name) text_pattern_ops")), None),
    ("jobs_registered", ("output_model_entry_id",), "output_model_entry_id is not null"),
)


def upgrade() -> None:
    with op.get_context().autocommit_block():
        for name, columns, where in INDEXES:
            op.create_index(
                name,
                "jobs",
                list(columns),
                postgresql_where=sa.text(where) if where else None,
                postgresql_concurrently=True,
                if_not_exists=True,
            )


def downgrade() -> None:
    for name, _, _ in INDEXES:
        op.drop_index(name, "jobs")
