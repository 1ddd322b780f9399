"""compare: jobs side by side."""

from __future__ import annotations

import click

from infra.cli.errors import UsageFault
from infra.cli.options import complete_job, json_flag
from infra.cli.session import Session, find_job


@click.command()
@click.argument("jobs", metavar="A B...", nargs=-1, required=True, shell_complete=complete_job)
@click.option("--differing", is_flag=True, help="Only what is not the same.")
@json_flag
@click.pass_obj
def compare(session: Session, jobs: tuple[str, ...], differing: bool) -> None:
    """Put jobs side by side.

    Parameters, resources, code, data, durations, metrics. What differs is marked; of two numbers, by how much the second is more or less.
    """
    if len(jobs) < 2:
        raise UsageFault("Name two jobs or more.")
    from infra.cli import compare_page
    from infra.cli.compare import compare, read_side

    with session.client() as client:
        sides = [read_side(client, find_job(client, job)) for job in jobs]
    rows = [row for row in compare(sides) if row.differs or not differing]
    if session.output.as_json:
        told = [
            {"section": row.section, "name": row.name, "values": row.values, "differs": row.differs}
            for row in rows
        ]
        session.output.data({"jobs": [side.job["id"] for side in sides], "rows": told})
    elif not rows:
        session.output.line("Nothing differs.")
    else:
        session.output.show(compare_page.shown([side.job for side in sides], rows))
