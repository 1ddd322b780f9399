"""submit, cancel, resubmit: what changes a job."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click
from eventrain_client.errors import Unreachable
from eventrain_client.replies import TERMINAL, Job, JsonObject

from infra.cli.commands.follow import follow_to_end
from infra.cli.options import complete_job, follow_flag, job_id, json_flag, set_values
from infra.cli.session import Session, find_job

if TYPE_CHECKING:
    from eventrain_client.client import Client

    from infra.cli.asked import Asked

key_option = click.option(
    "--idempotency-key", help="Submits with the same key create one job, within 24 hours."
)
Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def _pairs(option: str, name: str, metavar: str, text: str) -> Decorator:
    return click.option(option, name, metavar=metavar, multiple=True, help=f"{text} Repeatable.")


@click.command()
@click.argument("folder", metavar="[FOLDER]", type=click.Path(), required=False)
@click.argument("args", metavar="[-- ARGS]", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "--file",
    "-f",
    type=click.Path(allow_dash=True),
    help="The job as YAML or JSON; - reads standard input.",
)
@click.option("--entrypoint", "-e", metavar="FILE", help="The file of the folder to run.")
@click.option("--framework", help="Whose environment it runs in.")
@click.option("--name", help="What to call the job.")
@_pairs("--label", "labels", "KEY=VALUE", "A label.")
@_pairs("--env", "env", "NAME=VALUE", "A variable.")
@_pairs("--secret", "secrets", "NAME=SECRET/KEY", "A variable from a secret of the project.")
@click.option("--shared-memory", metavar="SIZE", help="Of /dev/shm, as in 2Gi.")
@click.option(
    "--from",
    "start_from",
    metavar="JOB[:NAME]",
    shell_complete=complete_job,
    help="Start from its checkpoint.",
)
@set_values
@follow_flag
@click.option("--dry-run", is_flag=True, help="Have the request checked; create nothing.")
@key_option
@json_flag
@click.pass_obj
def submit(
    session: Session, follow: bool, dry_run: bool, idempotency_key: str | None, **given: Any
) -> None:
    """Submit a training job: one from a file, or a folder of your own code.

    \b
    eventrain submit -f job.yaml --follow
    eventrain submit -f job.yaml --set hyperparameters.epochs=5 --dry-run
    eventrain submit ./folder --entrypoint train.py --follow -- --lr 0.1
    eventrain submit ./folder -e train.py --from JOB:epoch-3.ckpt

    Of a folder, all is packed but what .eventrainignore names, and .git, .venv and the like; a
    requirements.txt in it is installed before it runs. What it writes to $OUTPUT_DIR is kept.
    """
    from infra.cli.asked import Asked, compose

    asked = Asked(**given)
    request = compose(asked)
    key = idempotency_key or str(uuid.uuid4())
    with session.client() as client:
        _complete(session, client, asked, request, keep=not dry_run)
        with _one_job(None if dry_run else key):
            job = client.jobs.submit(request, idempotency_key=key, dry_run=dry_run)
        if dry_run:
            _told(session, job, "The request is fine; nothing was created.")
        elif follow:
            session.output.progress(f"Submitted {job['id']}.")
            follow_to_end(session, client, job["id"])
        else:
            _told(session, job, f"Submitted {job['id']}.")
            session.output.progress(f"Watch it with: eventrain follow {job['id']}")


@click.command()
@job_id
@json_flag
@click.pass_obj
def cancel(session: Session, job_id: str) -> None:
    """Cancel a job; a running one gets time to save a checkpoint."""
    with session.client() as client:
        job = client.jobs.cancel(find_job(client, job_id, sure=True))
    if job["status"] in TERMINAL:
        _told(session, job, f"{job['id']} is {job['status']}.")
        return
    _told(session, job, f"{job['id']} is being cancelled; its trainer may still save its work.")
    session.output.progress(f"Watch it with: eventrain follow {job['id']}")


@click.command()
@job_id
@set_values
@click.option("--use-gpu/--no-use-gpu", default=None, help="As before when not given.")
@follow_flag
@key_option
@json_flag
@click.pass_obj
def resubmit(
    session: Session,
    job_id: str,
    settings: tuple[str, ...],
    use_gpu: bool | None,
    follow: bool,
    idempotency_key: str | None,
) -> None:
    """Submit an ended job again, on other resources if wanted.

    \b
    eventrain resubmit ID --set memory=4Gi --set maxDuration=60
    """
    from infra.cli.job_file import change_values

    with session.client() as client:
        before = client.jobs.get(find_job(client, job_id, sure=True))
        profile = dict(before.get("resourceProfile") or {})
        change_values(profile, settings)
        key = idempotency_key or str(uuid.uuid4())
        with _one_job(key):
            job = client.jobs.resubmit(before["id"], profile, use_gpu=use_gpu, idempotency_key=key)
        if follow:
            session.output.progress(f"Submitted {job['id']} after {before['id']}.")
            follow_to_end(session, client, job["id"])
    _told(session, job, f"Submitted {job['id']} after {before['id']}.")
    session.output.progress(f"Watch it with: eventrain follow {job['id']}")


def _complete(
    session: Session, client: Client, asked: Asked, request: JsonObject, *, keep: bool
) -> None:
    """What the control plane must be asked about: where the code lies, and the checkpoint."""
    from infra.cli.asked import checkpoint

    if asked.start_from:
        request["checkpoint"] = checkpoint(client, asked.start_from)
    if asked.folder and asked.entrypoint:
        request["trainer"]["source"] = client.jobs.bring(
            asked.folder,
            asked.entrypoint,
            project_id=request.get("projectId"),
            keep=keep,
            say=session.output.progress,
        )


@contextmanager
def _one_job(key: str | None) -> Generator[None]:
    """Says how to ask again where nobody knows whether the job was created."""
    try:
        yield
    except Unreachable as error:
        if key:
            error.advice = (
                "Whether the job was created is not known. Repeat the same command with "
                f"--idempotency-key {key}, and there will be one job."
            )
        raise


def _told(session: Session, job: Job, sentence: str) -> None:
    if session.output.as_json:
        session.output.data(job)
    else:
        session.output.line(sentence)
