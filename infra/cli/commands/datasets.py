"""datasets list, show, create, preview, lineage, files, upload, download, delete."""

from __future__ import annotations

import click

from infra.cli.commands.shelf import Shelf, add_common, entry, show
from infra.cli.options import json_flag
from infra.cli.session import Session

TYPES = ("pretrain_corpus", "sft_pair", "rag_qa", "rlhf_pair")


@click.group(cls=Shelf, invoke_without_command=True)
@json_flag
@click.pass_context
def datasets(ctx: click.Context) -> None:
    """List, show, preview and change datasets of the catalog."""
    if ctx.invoked_subcommand is None:
        _list(ctx.obj)


@datasets.command("list")
@json_flag
@click.pass_obj
def list_datasets(session: Session) -> None:
    """List the datasets."""
    _list(session)


@datasets.command("show")
@entry
@json_flag
@click.pass_obj
def show_dataset(session: Session, entry_id: str) -> None:
    """Show one."""
    from infra.cli import catalog_page

    with session.client() as client:
        show(session, client.datasets.get(entry_id), catalog_page.dataset)


@datasets.command()
@click.argument("name")
@click.option("--version", default="1", show_default=True)
@click.option("--type", "kind", type=click.Choice(TYPES))
@json_flag
@click.pass_obj
def create(session: Session, name: str, version: str, kind: str | None) -> None:
    """Make a dataset, whose files are uploaded next."""
    wanted = {"name": name, "version": version, "type": kind}
    with session.client() as client:
        made = client.datasets.create(wanted)
    show(session, made, lambda made: f"{made['id']}")


@datasets.command()
@entry
@click.option("--file", help="Which file; the first when not given.")
@click.option("--rows", type=int, default=20, show_default=True)
@json_flag
@click.pass_obj
def preview(session: Session, entry_id: str, file: str | None, rows: int) -> None:
    """Show the first rows of a file: csv, tsv, JSON lines or text."""
    from infra.cli import catalog_page

    with session.client() as client:
        told = client.datasets.preview(entry_id, file=file, rows=rows)
    show(session, told, catalog_page.preview)


add_common(datasets, "datasets")


def _list(session: Session) -> None:
    with session.client() as client:
        rows = list(client.datasets.list())
    if session.output.as_json:
        session.output.data({"datasets": rows})
        return
    from infra.cli import tables

    session.output.show(tables.datasets(rows) if rows else "No datasets yet.")
