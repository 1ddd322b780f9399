"""audit: who changed what."""

from __future__ import annotations

import click

from infra.cli.options import json_flag
from infra.cli.session import Session


@click.command()
@click.option("--project", help="Of this project alone.")
@click.option("--user", help="By this person or machine alone.")
@click.option(
    "--limit", type=click.IntRange(1, 200), default=50, show_default=True, help="How many."
)
@click.option("--cursor", help="Where the page before ended.")
@json_flag
@click.pass_obj
def audit(
    session: Session, project: str | None, user: str | None, limit: int, cursor: str | None
) -> None:
    """Say who changed what in the projects that you administer, the newest first."""
    with session.client() as client:
        page = client.admin.audit(project_id=project, user=user, limit=limit, cursor=cursor)
    output = session.output
    if output.as_json:
        output.data(page)
        return
    from infra.cli import access_page

    output.show(access_page.audit(page["entries"]) if page["entries"] else "Nothing was changed.")
    if page["nextCursor"]:
        output.notice(f"More with: --cursor {page['nextCursor']}")
