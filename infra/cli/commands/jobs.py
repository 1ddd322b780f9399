"""list, show, logs: what reads jobs."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from infra.cli import exit_codes
from infra.cli.commands.follow import leave_running
from infra.cli.options import follow_flag, job_id, json_flag
from infra.cli.session import Session, find_job

STATUSES = ("pending", "queued", "running", "succeeded", "failed", "cancelled")


@click.command("list")
@click.option("--status", type=click.Choice(STATUSES), help="Only those.")
@click.option("--label", help="A label, KEY=VALUE.")
@click.option("--project", help="The id of their project.")
@click.option("--model", help="The id of the model they start from.")
@click.option("-q", "--query", help="How their name or id begins.")
@click.option(
    "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="How many."
)
@click.option("--cursor", help="Where the page before ended.")
@json_flag
@click.pass_obj
def list_jobs(
    session: Session,
    status: str | None,
    label: str | None,
    project: str | None,
    model: str | None,
    query: str | None,
    limit: int,
    cursor: str | None,
) -> None:
    """List jobs, the newest first."""
    with session.client() as client:
        page = client.jobs.page(
            status=status,
            label=label,
            project_id=project,
            model_id=model,
            q=query,
            limit=limit,
            cursor=cursor,
        )
    output = session.output
    if output.as_json:
        output.data(page)
        return
    from infra.cli import tables

    output.show(tables.jobs(page["jobs"], datetime.now(UTC)) if page["jobs"] else "No jobs.")
    if page["nextCursor"]:
        output.notice(f"More with: --cursor {page['nextCursor']}")


@click.command()
@job_id
@json_flag
@click.pass_obj
def show(session: Session, job_id: str) -> None:
    """Show a job: its state, timeline, attempts, metrics and files."""
    from infra.cli.job_page import read_page, show_page

    with session.client() as client:
        page = read_page(client, find_job(client, job_id))
    if session.output.as_json:
        session.output.data(page)
    else:
        show_page(page, session.output, datetime.now(UTC))


@click.command()
@job_id
@follow_flag
@json_flag
@click.pass_obj
def logs(session: Session, job_id: str, follow: bool) -> None:
    """Print what a job's trainer wrote.

    Where the trainer itself sent nothing, the end of its pod's log, once it is over.
    With --json, each line is an object with attempt, stream, offset, text and time.
    """
    from infra.cli.follow_view import show_lines, show_logs
    from infra.cli.pod_log import unsent_lines

    with session.client() as client:
        found = client.jobs.get(find_job(client, job_id))["id"]
        if not follow:
            sent = list(client.jobs.logs(found))
            show_lines(sent, session.output)
            show_lines(unsent_lines(client, found, sent), session.output)
            return
        try:
            job = show_logs(client.jobs.follow(found, points=False, logs=True), session.output)
        except KeyboardInterrupt:
            leave_running(session, found)
    raise SystemExit(exit_codes.of_job(job))
