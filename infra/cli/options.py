"""Options and arguments that several commands share."""

from __future__ import annotations

import re

import click
from click.shell_completion import CompletionItem

from infra.cli.session import Session

COMPLETED_WITHIN = 2.0
MOST_COMPLETED = 50
SIMPLE = re.compile(r"[\w.@%+=/-]+")


def _remember_json(context: click.Context, _option: click.Parameter, value: bool) -> None:
    context.ensure_object(Session).output.as_json = value


json_flag = click.option(
    "--json",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_remember_json,
    help="Print JSON.",
)


def complete_job(
    context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Jobs whose id or name begins so. A shell that waits is worse than one that knows nothing."""
    from eventrain_client import Client, EventrainError, Patience
    from eventrain_client.connection import find_connection

    try:
        known = find_connection(context.ensure_object(Session).environ)
        patience = Patience(tries=1)
        with Client(
            known.address, known.token, timeout=COMPLETED_WITHIN, patience=patience
        ) as client:
            jobs = client.jobs.page(q=incomplete or None, limit=MOST_COMPLETED)["jobs"]
    except EventrainError:
        return []
    found: dict[str, str] = {}
    for job in jobs:
        name = job.get("name") or ""
        if job["id"].startswith(incomplete.lower()):
            found.setdefault(job["id"], f"{name} {job['status']}".strip())
        # What a shell would have to quote is completed by its id alone.
        if name.startswith(incomplete) and SIMPLE.fullmatch(name):
            found.setdefault(name, f"the newest of this name: {job['status']}")
    return [CompletionItem(value, help=text) for value, text in found.items()]


job_id = click.argument("job_id", metavar="JOB", shell_complete=complete_job)
follow_flag = click.option("--follow", is_flag=True, help="Stay until the job has ended.")
set_values = click.option(
    "--set",
    "settings",
    metavar="KEY=VALUE",
    multiple=True,
    help="Set one value; dots go deeper. Repeatable.",
)
