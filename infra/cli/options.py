"""Options and arguments that several commands share."""

from __future__ import annotations

import click

from infra.cli.session import Session


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
job_id = click.argument("job_id", metavar="ID")
follow_flag = click.option("--follow", is_flag=True, help="Stay until the job has ended.")
set_values = click.option(
    "--set",
    "settings",
    metavar="KEY=VALUE",
    multiple=True,
    help="Set one value; dots go deeper. Repeatable.",
)
