"""watch: one job to its end, or the newest ones."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, NoReturn

import click
from eventrain_client.replies import Job

from infra.cli import exit_codes
from infra.cli.commands.follow import leave_running, show_to_end
from infra.cli.options import complete_job, json_flag
from infra.cli.session import Session, find_job

if TYPE_CHECKING:
    from eventrain_client.client import Client
    from eventrain_client.errors import Unreachable
    from eventrain_client.exchange import Told

    from infra.cli.output import Output


@click.command()
@click.argument("job_id", metavar="[JOB]", required=False, shell_complete=complete_job)
@click.option("--status", help="Only jobs in this state.")
@click.option("--label", help="Only jobs with this label, KEY=VALUE.")
@json_flag
@click.pass_obj
def watch(session: Session, job_id: str | None, status: str | None, label: str | None) -> None:
    """Watch a job to its end, or the newest jobs until Ctrl-C, as things happen.

    With --json, a line of JSON for each change.
    """
    with session.client() as client:
        if job_id is None:
            _watch_list(session, client, status, label)
        found = client.jobs.get(find_job(client, job_id))
        try:
            show_to_end(session, client.jobs.watch(found["id"]))
        except KeyboardInterrupt:
            leave_running(session, found["id"])


def _watch_list(
    session: Session, client: Client, status: str | None, label: str | None
) -> NoReturn:
    from infra.cli.watching import watch_jobs

    try:
        for told in watch_jobs(client, status=status, label=label):
            _show(told, session.output)
    except KeyboardInterrupt:
        pass
    raise SystemExit(exit_codes.INTERRUPTED)


def _show(told: Told | Unreachable, output: Output) -> None:
    from eventrain_client.exchange import Told

    from infra.cli import tables

    if not isinstance(told, Told):
        output.progress(f"{told.message} Trying again.")
    elif output.as_json:
        output.data_line({told.event: told.data})
    elif told.event == "page":
        jobs = told.data["jobs"]
        output.show(tables.jobs(jobs, datetime.now(UTC)) if jobs else "No jobs yet.")
    elif told.event == "job":
        output.raw(_line(told.data))


def _line(job: Job) -> str:
    from infra.cli import words

    parts = [f"{datetime.now():%H:%M:%S}", job["id"], job["status"], words.percent(job)]  # noqa: DTZ005 - the user's own clock
    name = job.get("name") or ""
    return "  ".join(part for part in (*parts, name) if part and part != "-")
