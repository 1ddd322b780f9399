"""artifacts, checkpoints: the files that a job left, listed and fetched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from infra.cli.commands.shelf import Shelf
from infra.cli.errors import UsageFault
from infra.cli.options import job_id, json_flag
from infra.cli.session import Session, find_job

if TYPE_CHECKING:
    from eventrain_client.client import Client

to_folder = click.option(
    "--to", "folder", type=click.Path(path_type=Path), default=".", help="Where to; here."
)
of_attempt = click.option("--attempt", type=click.IntRange(min=1), help="Of this attempt alone.")


@click.group(cls=Shelf, default="list")
def artifacts() -> None:
    """List and fetch the files that a job left.

    \b
    eventrain artifacts JOB
    eventrain artifacts download JOB model --to here
    """


@artifacts.command("list")
@job_id
@of_attempt
@json_flag
@click.pass_obj
def list_artifacts(session: Session, job_id: str, attempt: int | None) -> None:
    """List what a job left."""
    with session.client() as client:
        rows = _of(list(client.jobs.artifacts(find_job(client, job_id))), attempt)
    if session.output.as_json:
        session.output.data({"artifacts": rows})
        return
    from infra.cli import tables

    session.output.show(tables.artifacts(rows) if rows else "No artifacts.")


@artifacts.command("download")
@job_id
@click.argument("names", metavar="[NAME...]", nargs=-1)
@to_folder
@of_attempt
@json_flag
@click.pass_obj
def download_artifacts(
    session: Session, job_id: str, names: tuple[str, ...], folder: Path, attempt: int | None
) -> None:
    """Fetch all, or those that are named, and hold each to its digest.

    A name is a file, or a folder of them. Of a name that several attempts left, the newest.
    """
    with session.client() as client:
        rows = _of(list(client.jobs.artifacts(find_job(client, job_id))), attempt)
        newest: dict[str, Any] = {row["name"]: row for row in rows}
        _fetch(session, client, _chosen(newest, names) if names else list(newest.values()), folder)


@click.group(cls=Shelf, default="list")
def checkpoints() -> None:
    """List and fetch a job's checkpoints.

    \b
    eventrain checkpoints JOB
    eventrain checkpoints download JOB epoch-3.ckpt --to here
    """


@checkpoints.command("list")
@job_id
@of_attempt
@json_flag
@click.pass_obj
def list_checkpoints(session: Session, job_id: str, attempt: int | None) -> None:
    """List what a job could go on from, the oldest first."""
    with session.client() as client:
        rows = _of(list(client.jobs.checkpoints(find_job(client, job_id))), attempt)
    if session.output.as_json:
        session.output.data({"checkpoints": rows})
        return
    from infra.cli import tables

    session.output.show(tables.checkpoints(rows) if rows else "No checkpoints.")


@checkpoints.command("download")
@job_id
@click.argument("name", metavar="[NAME]", required=False)
@to_folder
@json_flag
@click.pass_obj
def download_checkpoint(session: Session, job_id: str, name: str | None, folder: Path) -> None:
    """Fetch the newest, or the newest of this name, or the one whose id begins so."""
    from infra.cli.asked import checkpoint_called
    from infra.cli.tables import given_name

    with session.client() as client:
        known = list(client.jobs.checkpoints(find_job(client, job_id)))
        if not known:
            raise UsageFault("The job has no checkpoint.")
        row = checkpoint_called(known, job_id, name) if name else known[-1]
        _fetch(session, client, [{**row, "name": given_name(row["name"])}], folder)


def _of(rows: Sequence[Any], attempt: int | None) -> list[Any]:
    return [row for row in rows if attempt is None or row.get("attempt") == attempt]


def _chosen(known: Mapping[str, Any], names: Sequence[str]) -> list[Any]:
    found: dict[str, Any] = {}
    for name in names:
        below = name.rstrip("/") + "/"
        fitting = {
            each: row for each, row in known.items() if each == name or each.startswith(below)
        }
        if not fitting:
            there = ", ".join(known) or "none"
            raise UsageFault(f"The job left no {name}; it left: {there}.")
        found |= fitting
    return list(found.values())


def _fetch(session: Session, client: Client, rows: Sequence[Any], folder: Path) -> None:
    from infra.cli import words

    fetched: list[str] = []
    for row in rows:
        fetched.append(str(client.jobs.download(row, folder)))
        session.output.progress(f"fetched {row['name']} ({words.size(row['size'])})")
    if session.output.as_json:
        session.output.data({"files": fetched})
    else:
        session.output.raw("\n".join(fetched) or "No files.")
