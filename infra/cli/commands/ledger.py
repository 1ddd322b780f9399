"""ledger: where GPU hours went."""

from __future__ import annotations

import click

from infra.cli.options import json_flag
from infra.cli.session import Session

GROUPS = ("project", "user", "job", "gpuType", "day", "month")


@click.command()
@click.option("--project", help="Of this project alone.")
@click.option(
    "--by", type=click.Choice(GROUPS), default="project", show_default=True, help="A line for each."
)
@click.option("--from", "since", help="Jobs submitted then or later (2026-01-31); this month.")
@click.option("--to", "until", help="Jobs submitted before; now.")
@click.option(
    "--limit", type=click.IntRange(1, 200), default=100, show_default=True, help="How many."
)
@click.option("--cursor", help="Where the page before ended.")
@json_flag
@click.pass_obj
def ledger(
    session: Session,
    project: str | None,
    by: str,
    since: str | None,
    until: str | None,
    limit: int,
    cursor: str | None,
) -> None:
    """Say where GPU hours went: useful, lost, stalled, queued; and what they cost."""
    with session.client() as client:
        page = client.admin.ledger(
            group_by=by,
            project_id=project,
            since=moment(since),
            until=moment(until),
            limit=limit,
            cursor=cursor,
        )
    output = session.output
    if output.as_json:
        output.data(page)
        return
    from infra.cli import ledger_page

    output.show(ledger_page.listed(page) if page["ledger"] else "No job was submitted then.")
    for notice in (ledger_page.unpriced(page), _more(page["nextCursor"])):
        if notice:
            output.notice(notice)


def moment(day: str | None) -> str | None:
    """A day begins at midnight, UTC."""
    return f"{day}T00:00:00Z" if day and "T" not in day else day


def _more(cursor: str | None) -> str | None:
    return f"More with: --cursor {cursor}" if cursor else None
