"""events: what happened to a job, and what happens to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from infra.cli import exit_codes
from infra.cli.commands.follow import leave_running
from infra.cli.options import follow_flag, job_id, json_flag
from infra.cli.session import Session, find_job

if TYPE_CHECKING:
    from collections.abc import Iterable

    from eventrain_client.follow import Update
    from eventrain_client.replies import Change, Job

    from infra.cli.output import Output


@click.command()
@job_id
@follow_flag
@click.option("--all", "every", is_flag=True, help="The end of each epoch too.")
@json_flag
@click.pass_obj
def events(session: Session, job_id: str, follow: bool, every: bool) -> None:
    """Say what happened to a job, or what happens.

    Changes of its state, and what its trainer told. With --follow, a line for each as it happens,
    those before first. With --json, each is an object.
    """
    with session.client() as client:
        found = find_job(client, job_id)
        if not follow:
            _show(
                session.output,
                [each for each in client.jobs.events(found) if every or _counts(each)],
            )
            return
        try:
            job = _follow(session.output, client.jobs.watch(found), every)
        except KeyboardInterrupt:
            leave_running(session, found)
    raise SystemExit(exit_codes.of_job(job))


def _counts(change: Change) -> bool:
    """An epoch's end says what the metrics say."""
    return change["type"] != "epoch_end"


def _show(output: Output, changes: list[Change]) -> None:
    if output.as_json:
        for change in changes:
            output.data_line(change)
        return
    from infra.cli import tables

    output.show(tables.timeline(changes))


def _follow(output: Output, updates: Iterable[Update], every: bool) -> Job:
    from infra.cli.follow_view import ended, tell_silence
    from infra.cli.tables import change_line

    job: Job | None = None
    silent = False
    for update in updates:
        job, silent = update.job, tell_silence(update, silent, output)
        for change in update.changes:
            if output.as_json:
                output.data_line(change)
            elif every or _counts(change):
                output.raw(change_line(change))
    return ended(job)
