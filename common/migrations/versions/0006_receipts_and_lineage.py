"""receipts and lineage: the digest of a model's signed receipt, and what was made of a dataset

The indexes are built beside the tables' use. The release before writes neither.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column("models", sa.Column("receipt_sha256", sa.Text))
    with op.get_context().autocommit_block():
        op.create_index(
            "jobs_by_dataset",
            "jobs",
            ["project_id", "dataset_id", sa.text("submitted_at desc"), sa.text("id desc")],
            postgresql_where=sa.text("dataset_id is not null"),
            postgresql_concurrently=True,
            if_not_exists=True,
        )
        op.create_index(
            "models_made_from",
            "models",
            ["lineage_dataset_ids"],
            postgresql_using="gin",
            postgresql_concurrently=True,
            if_not_exists=True,
        )


def downgrade() -> None:
    op.drop_index("models_made_from", "models")
    op.drop_index("jobs_by_dataset", "jobs")
    op.drop_column("models", "receipt_sha256")
