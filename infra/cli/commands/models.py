"""models list, show, lineage, files, upload, download, status, delete, verify."""

from __future__ import annotations

from typing import Any

import click

from infra.cli.commands.shelf import Shelf, add_common, entry, refuse, show
from infra.cli.options import json_flag
from infra.cli.session import Session

STATUSES = ("draft", "under_review", "approved", "deprecated")
with_status = click.option("--status", type=click.Choice(STATUSES), help="Only these.")


@click.group(cls=Shelf, invoke_without_command=True)
@with_status
@json_flag
@click.pass_context
def models(ctx: click.Context, status: str | None) -> None:
    """List, show, check and change models of the catalog."""
    if ctx.invoked_subcommand is None:
        _list(ctx.obj, status)


@models.command("list")
@with_status
@json_flag
@click.pass_obj
def list_models(session: Session, status: str | None) -> None:
    """List the models."""
    _list(session, status)


@models.command("show")
@entry
@json_flag
@click.pass_obj
def show_model(session: Session, entry_id: str) -> None:
    """Show one."""
    from infra.cli import tables

    with session.client() as client:
        show(session, client.models.get(entry_id), tables.model_facts)


@models.command()
@entry
@click.argument("status", type=click.Choice(STATUSES))
@json_flag
@click.pass_obj
def status(session: Session, entry_id: str, status: str) -> None:
    """Move it to another status."""
    with session.client() as client:
        moved = client.models.set_status(entry_id, status)
    show(session, moved, lambda moved: f"{moved['name']} {moved['version']} is {moved['status']}.")


@models.command()
@entry
@click.option("--no-files", is_flag=True, help="Compare digests, and read no file again.")
@json_flag
@click.pass_obj
def verify(session: Session, entry_id: str, no_files: bool) -> None:
    """Hold a model to its signed receipt: signature, entry, and every file as it is stored."""
    from infra.cli import catalog_page, receipt

    with session.client() as client:
        model, stored = client.models.get(entry_id), client.models.receipt(entry_id)
        keys, files = client.models.receipt_keys(), client.models.files(entry_id)
        read = None if no_files else client.api.sha256_at
        found = list(receipt.examine(model, stored, keys, files, read))
    wrong = [each for each in found if each.wrong]
    if session.output.as_json:
        told: list[dict[str, Any]] = [{"what": each.what, "wrong": each.wrong} for each in found]
        session.output.data({"right": not wrong, "findings": told})
    else:
        session.output.show(catalog_page.findings(found))
    if wrong:
        refuse(f"{len(wrong)} of {len(found)} are wrong: this is not what was registered.")


add_common(models, "models")


def _list(session: Session, status: str | None) -> None:
    with session.client() as client:
        rows = list(client.models.list(status=status))
    if session.output.as_json:
        session.output.data({"models": rows})
        return
    from infra.cli import tables

    none = "No models yet. A job with outputModelName registers one when it succeeds."
    session.output.show(tables.models(rows) if rows else none)
