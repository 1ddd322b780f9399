"""follow, and what every --follow does."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NoReturn

import click
from eventrain_client.replies import Job

from infra.cli import exit_codes
from infra.cli.options import job_id, json_flag
from infra.cli.session import Session, find_job

if TYPE_CHECKING:
    from eventrain_client.client import Client
    from eventrain_client.follow import Update

    from infra.cli.output import Output


@click.command()
@job_id
@json_flag
@click.pass_obj
def follow(session: Session, job_id: str) -> None:
    """Watch a job's progress and metrics until it has ended.

    With --json, a line of JSON for each change: {"job": ...} or {"points": [...]}.
    """
    with session.client() as client:
        # A job that cannot be read at all is told at once; later silences are waited out.
        found = client.jobs.get(find_job(client, job_id))
        follow_to_end(session, client, found["id"])


def follow_to_end(session: Session, client: Client, job_id: str) -> NoReturn:
    try:
        show_to_end(session, client.jobs.follow(job_id))
    except KeyboardInterrupt:
        leave_running(session, job_id)


def show_to_end(session: Session, updates: Iterable[Update]) -> NoReturn:
    from infra.cli.follow_view import show_progress

    job = show_progress(updates, session.output)
    if not session.output.as_json:
        _show_end(session.output, job)
    raise SystemExit(exit_codes.of_job(job))


def leave_running(session: Session, job_id: str) -> NoReturn:
    session.output.notice(f"The job goes on. Watch it again with: eventrain follow {job_id}")
    raise SystemExit(exit_codes.INTERRUPTED)


def _show_end(output: Output, job: Job) -> None:
    from infra.cli import tables

    output.line()
    output.show(tables.job_end(job, datetime.now(UTC)))
    output.notice(f"All of it: eventrain show {job['id']}")
