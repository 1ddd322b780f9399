"""webhooks: who is told of what, what signs it, and what became of each delivery"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def _instant(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _list(name: str) -> sa.Column[object]:
    return sa.Column(
        name, postgresql.JSONB(astext_type=sa.Text()), server_default="[]", nullable=False
    )


def upgrade() -> None:
    op.create_table(
        "webhooks",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        _list("events"),
        sa.Column("created_by", sa.Text(), nullable=False),
        _instant("created_at"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("webhooks_of_project", "webhooks", ["project_id"])
    op.create_table(
        "webhook_secrets",
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("secret", sa.Text(), nullable=False),
        sa.Column("former_secret", sa.Text(), nullable=True),
        _instant("former_until", nullable=True),
        sa.PrimaryKeyConstraint("owner_id"),
    )
    op.create_table(
        "webhook_deliveries",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("project_id", sa.Uuid(), nullable=False),
        sa.Column("webhook_id", sa.Uuid(), nullable=True),
        sa.Column("job_id", sa.Uuid(), nullable=True),
        sa.Column("event_id", sa.Uuid(), nullable=True),
        sa.Column("event_type", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("tries", sa.Integer(), server_default=sa.text("0"), nullable=False),
        _instant("next_at"),
        _instant("leased_until", nullable=True),
        _list("tried"),
        _instant("created_at"),
        _instant("finished_at", nullable=True),
        sa.CheckConstraint(
            "state in ('due', 'delivered', 'failed')", name="webhook_deliveries_state"
        ),
        sa.ForeignKeyConstraint(
            ["job_id"], ["jobs.id"], name="webhook_deliveries_job", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "webhook_deliveries_due",
        "webhook_deliveries",
        ["next_at"],
        postgresql_where=sa.text("state = 'due'"),
    )
    op.create_index("webhook_deliveries_of_job", "webhook_deliveries", ["job_id"])
    op.create_index(
        "webhook_deliveries_newest",
        "webhook_deliveries",
        ["project_id", sa.literal_column("created_at desc"), sa.literal_column("id desc")],
    )


def downgrade() -> None:
    op.drop_table("webhook_deliveries")
    op.drop_table("webhook_secrets")
    op.drop_table("webhooks")
