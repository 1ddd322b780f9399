"""The `eventrain` command: its subcommands, and what an error becomes."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence

import click
from eventrain_client.errors import EventrainError, Refused, Unreachable

from infra.cli import exit_codes
from infra.cli.commands import (
    audit,
    catalog,
    compare,
    completion,
    datasets,
    dead_letters,
    doctor,
    events,
    follow,
    job_files,
    jobs,
    ledger,
    metrics,
    models,
    projects,
    retention,
    stack,
    submit,
    token,
    trainer,
    validation,
    watch,
    webhooks,
)
from infra.cli.options import json_flag
from infra.cli.session import Session


@click.command()
@json_flag
@click.pass_obj
def version(session: Session) -> None:
    """Print the version."""
    from importlib.metadata import version as version_of

    number = version_of("eventrain")
    output = session.output
    output.data({"version": number}) if output.as_json else output.raw(f"eventrain {number}")


SECTIONS: dict[str, list[click.Command]] = {
    "On this machine": [stack.up, stack.demo],
    "Jobs": [
        submit.submit,
        jobs.list_jobs,
        jobs.show,
        follow.follow,
        watch.watch,
        jobs.logs,
        events.events,
        metrics.metrics,
        job_files.artifacts,
        job_files.checkpoints,
        compare.compare,
        validation.validation,
        submit.cancel,
        submit.resubmit,
    ],
    "Catalog": [catalog.frameworks, catalog.gpu_types, models.models, datasets.datasets],
    "Trainers": [trainer.trainer, trainer.mock],
    "People": [projects.projects, token.token],
    "Administration": [
        audit.audit,
        ledger.ledger,
        webhooks.webhooks,
        dead_letters.dead_letters,
        retention.retention,
    ],
    "Other": [doctor.doctor, completion.completion, version],
}
ADVICE = {
    401: "Set EVENTRAIN_TOKEN to a token that is valid there.",
    403: "Your role in this project does not allow it; ask one of its admins.",
    404: "See `eventrain list` for the jobs of your projects.",
    429: "Wait a little, then repeat.",
}


class Sections(click.Group):
    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, commands in SECTIONS.items():
            rows = [(command.name or "", command.get_short_help_str(70)) for command in commands]
            with formatter.section(title):
                formatter.write_dl(rows, col_max=12)
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code), text) for code, text in exit_codes.MEANING.items()])


@click.group(cls=Sections, context_settings={"help_option_names": ["-h", "--help"]})
def eventrain() -> None:
    """Train models on Eventrain: submit jobs, watch them, use what they made.

    A job is named by its id, by the start of it, or by its name: the newest one of it. Address and token come from
    EVENTRAIN_ADDRESS and EVENTRAIN_TOKEN, else from client.json in EVENTRAIN_HOME
    (~/.eventrain), where `eventrain up` writes them.
    """


for _commands in SECTIONS.values():
    for _command in _commands:
        eventrain.add_command(_command)


def main() -> None:
    sys.exit(run(sys.argv[1:], os.environ))


def run(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    session = Session(environ)
    try:
        eventrain.main(list(arguments), prog_name="eventrain", obj=session)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else exit_codes.FAULT
    except EventrainError as error:
        session.output.error(_advised(error))
        return exit_codes.of_error(error)
    return exit_codes.OK


def _advised(error: EventrainError) -> EventrainError:
    if error.advice:
        return error
    if isinstance(error, Unreachable) and not error.answered:
        error.advice = "Start it with `eventrain up`, or set EVENTRAIN_ADDRESS to where it runs."
    if isinstance(error, Refused):
        error.advice = ADVICE.get(error.status, "")
    return error
