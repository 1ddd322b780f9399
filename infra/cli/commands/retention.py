"""retention: what is about to be deleted for its age."""

from __future__ import annotations

import click

from infra.cli.options import json_flag
from infra.cli.session import Session


@click.command()
@click.option(
    "--dry-run",
    is_flag=True,
    default=True,
    help="Only say so. There is no other way: status-sync deletes, a little at each tick.",
)
@json_flag
@click.pass_obj
def retention(session: Session, dry_run: bool) -> None:
    """Say what is older than retention.yaml allows, and will be deleted."""
    with session.client() as client:
        kinds = client.admin.retention()
    output = session.output
    if output.as_json:
        output.data(kinds)
        return
    from infra.cli import retention_page

    output.show(retention_page.listed(kinds))
    if not any(kind["rows"] or kind["objects"] for kind in kinds):
        output.notice("Nothing is older than it may be.")
