"""tracking: experiment runs, logged models, how far MLflow has them, and each target of a model

New tables, and columns that may be null. The kinds of work become more; the release before claims
its own only. Work is swept after a month, so that checking its rows takes no time that counts: all of
this is one transaction, which leaves nothing half made.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

KINDS = "kind in ('launch', 'register', 'mirror', 'enroll')"
FORMER_KINDS = "kind in ('launch', 'register')"


def upgrade() -> None:
    _experiment_runs()
    _logged_models()
    _mirrors()
    _registrations()
    op.add_column("metrics", sa.Column("step", sa.BigInteger(), nullable=True))
    op.add_column("metrics", _instant("mirrored_at", nullable=True))
    _kinds(KINDS)


def _experiment_runs() -> None:
    op.create_table(
        "experiment_runs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("run", sa.Text(), nullable=False),
        sa.Column("parent", sa.Text(), nullable=True),
        _flag("main"),
        sa.Column("experiment_name", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=True),
        _object("parameters"),
        _object("tags"),
        _object("metrics"),
        sa.Column("status", sa.Text(), nullable=False),
        _instant("start_time", nullable=True),
        _instant("end_time", nullable=True),
        sa.Column("tracking_run_id", sa.Text(), nullable=True),
        sa.Column("created_by", sa.Text(), nullable=False),
        _instant("created_at"),
        _instant("updated_at"),
        sa.CheckConstraint(
            "status in ('running', 'completed', 'failed', 'killed')", name="experiment_runs_status"
        ),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("job_id", "attempt", "run", name="experiment_runs_run"),
    )
    op.create_index(
        "experiment_runs_main",
        "experiment_runs",
        ["job_id", "attempt"],
        unique=True,
        postgresql_where=sa.text("main"),
    )
    op.create_index("experiment_runs_name", "experiment_runs", ["experiment_name"])
    op.create_index("experiment_runs_age", "experiment_runs", ["created_at"])


def _logged_models() -> None:
    op.create_table(
        "logged_models",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("run", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        _object("params"),
        _object("tags"),
        sa.Column("tracking_model_id", sa.Text(), nullable=True),
        _instant("created_at"),
        _instant("updated_at"),
        sa.PrimaryKeyConstraint("job_id", "attempt", "model"),
    )
    op.create_index("logged_models_age", "logged_models", ["created_at"])


def _mirrors() -> None:
    op.create_table(
        "mirrors",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("experiment_id", sa.Text(), nullable=True),
        sa.Column("beat_sequence", sa.BigInteger(), server_default=sa.text("-1"), nullable=False),
        sa.Column("report_number", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        _flag("settled"),
        _instant("caught_up_at", nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        _object("detail"),
        _instant("created_at"),
        _instant("updated_at"),
        sa.PrimaryKeyConstraint("job_id", "attempt"),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="mirrors_job", ondelete="CASCADE"),
    )
    op.create_index(
        "mirrors_unsettled", "mirrors", ["updated_at"], postgresql_where=sa.text("not settled")
    )


def _registrations() -> None:
    op.create_table(
        "registrations",
        sa.Column("entry_id", sa.Uuid(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("version", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("tries", sa.Integer(), server_default=sa.text("0"), nullable=False),
        _instant("updated_at"),
        sa.CheckConstraint(
            "status in ('registered', 'pending', 'failed')", name="registrations_status"
        ),
        sa.PrimaryKeyConstraint("entry_id", "target"),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["models.id"], name="registrations_entry", ondelete="CASCADE"
        ),
    )
    op.create_index(
        "registrations_unmade",
        "registrations",
        ["target", "status"],
        postgresql_where=sa.text("status <> 'registered'"),
    )


def _kinds(kinds: str) -> None:
    op.execute(
        f"alter table work drop constraint work_kind, add constraint work_kind check ({kinds})"
    )


def _instant(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _object(name: str) -> sa.Column[object]:
    return sa.Column(name, postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False)


def _flag(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.Boolean(), server_default=sa.text("false"), nullable=False)


def downgrade() -> None:
    op.execute("delete from work where kind in ('mirror', 'enroll')")
    _kinds(FORMER_KINDS)
    for table in ("registrations", "mirrors", "logged_models", "experiment_runs"):
        op.drop_table(table)
    op.drop_column("metrics", "mirrored_at")
    op.drop_column("metrics", "step")
