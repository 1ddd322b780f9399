"""courses: outlines of series, heartbeats packed; and the indexes that age is found by

New columns may be null and new tables are the new release's alone. The indexes of tables that are
in use are built beside their use.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

INSTANT = sa.DateTime(timezone=True)
INDEXES: Sequence[tuple[str, str, Sequence[str], str | None]] = (
    ("attempts_unpacked", "attempts", ["job_id", "attempt"], "packed_at is null"),
    ("attempts_logs", "attempts", ["ended_at"], "log_uri is not null"),
    ("jobs_unswept", "jobs", ["completed_at"], "completed_at is not null and swept_at is null"),
    ("work_finished", "work", ["finished_at"], "state <> 'due'"),
    ("webhook_deliveries_finished", "webhook_deliveries", ["finished_at"], "state <> 'due'"),
    ("job_events_timeline", "job_events", ["job_id", "at", "sequence"], None),
    ("job_events_age", "job_events", ["at"], None),
    ("reports_timeline", "reports", ["job_id", "received_at", "number"], "type <> 'log'"),
    ("reports_age", "reports", ["received_at"], "type <> 'log'"),
    ("reports_logs_age", "reports", ["received_at"], "type = 'log'"),
)


def upgrade() -> None:
    op.add_column("attempts", sa.Column("packed_at", INSTANT, nullable=True))
    op.add_column("jobs", sa.Column("swept_at", INSTANT, nullable=True))
    _courses()
    _outlines()
    _packs()
    with op.get_context().autocommit_block():
        for name, table, columns, where in INDEXES:
            op.create_index(
                name,
                table,
                columns,
                postgresql_where=sa.text(where) if where else None,
                postgresql_concurrently=True,
                if_not_exists=True,
            )


def _courses() -> None:
    op.create_table(
        "courses",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("upto", sa.BigInteger(), server_default=sa.text("-1"), nullable=False),
        sa.Column(
            "sequences",
            postgresql.INT8MULTIRANGE(),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
        sa.Column("complete", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("packed_at", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("job_id", "attempt"),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="courses_job", ondelete="CASCADE"),
    )
    op.create_index(
        "courses_packed",
        "courses",
        ["packed_at"],
        postgresql_where=sa.text("packed_at is not null"),
    )


def _outlines() -> None:
    op.create_table(
        "outlines",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("told", sa.Boolean(), nullable=False),
        sa.Column("outline", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", "attempt", "name"),
        _of_course("outlines"),
    )


def _packs() -> None:
    op.create_table(
        "packs",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("first", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.Column("last_at", INSTANT, nullable=False),
        sa.Column("made_at", INSTANT, nullable=False),
        sa.Column("beats", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("job_id", "attempt", "first"),
        _of_course("packs"),
    )
    op.create_index("packs_age", "packs", ["made_at"])


def _of_course(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["job_id", "attempt"],
        ["courses.job_id", "courses.attempt"],
        name=f"{table}_course",
        ondelete="CASCADE",
    )


def downgrade() -> None:
    for name, table, _, _ in INDEXES:
        op.drop_index(name, table)
    for table in ("packs", "outlines", "courses"):
        op.drop_table(table)
    op.drop_column("jobs", "swept_at")
    op.drop_column("attempts", "packed_at")
