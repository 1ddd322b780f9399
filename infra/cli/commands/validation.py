"""validation: what a job's last validation found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from infra.cli.errors import UsageFault
from infra.cli.options import job_id, json_flag
from infra.cli.session import Session, find_job

if TYPE_CHECKING:
    from eventrain_client.client import Client
    from eventrain_client.replies import Validation


@click.command()
@job_id
@click.option("--epoch", type=click.IntRange(min=0), help="That of an epoch; the newest.")
@json_flag
@click.pass_obj
def validation(session: Session, job_id: str, epoch: int | None) -> None:
    """Show what a job's newest validation found: metrics, confusion matrix, each class."""
    with session.client() as client:
        found = _find(client, find_job(client, job_id), epoch)
    output = session.output
    if output.as_json:
        output.data(found)
        return
    from infra.cli.validation_page import show_validation

    if found is None:
        output.show("No validation was told.")
    else:
        show_validation(found, output)


def _find(client: Client, job_id: str, epoch: int | None) -> Validation | None:
    """The newest, of all or of one epoch. Raises UsageFault for an epoch that has none."""
    for found in client.jobs.validations(job_id):
        if epoch is None or found.get("epoch") == epoch:
            return found
    if epoch is not None:
        raise UsageFault(f"No validation of epoch {epoch} was told.")
    return None
